"""Fig. 9 with few steps."""

from experiments import components


def test_the_order_by_error_is_better(cached):
    config = components.Config(size=24, counts=(2, 20, 80), steps=8)
    report = components.run(config, cached)
    (comparison,) = report.comparisons
    assert comparison.agrees
    assert set(report.figures) == {"fig9.png", "fig9_errors.png"}
    assert len(report.figures["fig9.png"].axes) == 5 * 3
