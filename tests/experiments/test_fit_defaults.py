import dataclasses

import numpy as np

from experiments import fit_defaults


def test_a_tiny_run_ranks_the_defaults_before_the_papers_recipe():
    table = fit_defaults.run(fit_defaults.Config(every=200, steps=40, size=24))
    assert set(table) == set(fit_defaults.recipes(40))
    assert all(np.isfinite(value) and value > 0 for row in table.values() for value in row.values())
    assert table["defaults"]["mse"] < 0.7 * table["paper: rate 1e-3, lambda 0.1"]["mse"]


def test_configuration_is_frozen_and_hashable():
    assert dataclasses.replace(fit_defaults.Config()) == fit_defaults.Config()
    assert hash(fit_defaults.Config()) == hash(fit_defaults.Config())
