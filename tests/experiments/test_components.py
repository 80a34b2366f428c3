"""Fig. 9 with few steps."""

from experiments import components


def test_the_better_order_is_nearer(kept):
    config = components.Config(size=24, counts=(2, 20, 80), steps=8)
    report = components.run(config, kept)
    (comparison,) = report.comparisons
    assert comparison.agrees
    assert set(report.figures) == {"fig9.png", "fig9_errors.png"}
    assert len(report.figures["fig9.png"].axes) == 5 * 3
