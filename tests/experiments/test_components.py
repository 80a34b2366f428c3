"""Fig. 9 with few steps."""

from experiments import components
from tests.experiments import TINY


def test_the_order_by_error_is_better(cached, without_fits):
    without_fits(components)
    config = components.Config(**TINY, counts=(2, 20, 80))
    report = components.run(config, cached)
    (comparison,) = report.comparisons
    assert comparison.agrees
    assert set(report.figures) == {"fig9.png", "fig9_errors.png"}
    assert len(report.figures["fig9.png"].axes) == 5 * 3
