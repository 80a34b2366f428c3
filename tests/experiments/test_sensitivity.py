"""Sensitivity, with few settings."""

import pytest

from experiments import sensitivity
from tests.experiments import TINY

CONFIG = sensitivity.Config(**TINY, people=2, seeds=2)


@pytest.mark.soak
def test_one_row_per_setting(cached, monkeypatch, without_fits):
    without_fits(sensitivity)
    names = "nothing changed", "random start, seed 0", "random start, seed 1", "rate x 2", "offset 0.5"
    few = [setting for setting in sensitivity.settings(CONFIG) if setting.name in names]
    assert len(few) == len(names)
    monkeypatch.setattr(sensitivity, "settings", lambda config: few)
    monkeypatch.setattr(sensitivity, "SOLVERS", {"adam": "Adam"})
    report = sensitivity.run(CONFIG, cached)
    table = report.parts[1].splitlines()
    assert len(table) == 2 + len(few)
    assert len(set(table)) == len(table), "no two settings give the same result"
    assert {c.claim for c in report.comparisons} == {"Adam: mean MSE over the seeds", "Adam: mean MSE over the offsets"}


def test_the_settings_cover_what_the_docstring_lists():
    settings = sensitivity.settings(sensitivity.Config())
    assert sum(s.group == "seed" for s in settings) == 5
    assert {s.start for s in settings} == {"published", "random", "grid", "common"}
    assert {s.offset for s in settings} == {0.0, 0.5, 1.0}
    assert {s.pae_weight for s in settings} >= {0.0, 1e-4, 1e-1}
    assert {s.rate for s in settings} >= {0.25, 4.0}
