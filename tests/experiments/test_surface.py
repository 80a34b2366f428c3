"""Fig. 5, on CAS-PEAL-R1."""

from experiments import surface
from tests.data.test_caspeal import NAMES, make
from tests.experiments import TINY


def test_caspeal(cached, tmp_path, without_fits):
    without_fits(surface)
    root = make(tmp_path / "caspeal", [f"{name} 11 20 31 20" for name in NAMES])
    report = surface.run(surface.Config(data="caspeal", root=root, **TINY), cached)
    assert "The average of 3 faces of CAS-PEAL-R1" in "\n".join(report.parts)
    assert set(report.figures) == {"fig5.png"}
    lines = report.figures["fig5.png"].axes[1].get_lines()
    assert len(lines) == 6
    assert all(len(line.get_xdata()) == 24 for line in lines)
