"""The table of functions on a few pixels."""

import numpy as np

from experiments import functions
from experiments.report import Report
from tests.experiments import TINY


def test_every_profile_is_fitted_with_equal_numbers(cached):
    config = functions.Config(
        size=TINY["size"], profiles=("gaussian", "mexican_hat"), numbers=(30,), steps=(9,), faces=1
    )
    report = functions.run(config, cached)
    text = "\n".join(report.parts)
    assert "(5)" in text
    assert "(4)" in text
    assert len(report.figures["functions.png"].axes) == 2 * 3
    assert report.comparisons == []


def test_the_expectation_is_compared():
    found = {"mse": np.array([1e-4]), "pae": np.array([0.1]), "seconds": 1.0}
    better = {**found, "mse": np.array([0.8e-4])}
    config = functions.Config(profiles=("gaussian", "mexican_hat"))
    report = Report("")
    functions.compare(report, config, "faces", 96, {("gaussian", 480): found, ("mexican_hat", 480): better})
    (comparison,) = report.comparisons
    assert (comparison.measured, comparison.agrees) == ("0.80", True)
