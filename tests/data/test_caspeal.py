"""CAS-PEAL-R1's own layout, on a small tree made here."""

import numpy as np
import pytest

from gmjax.data import PictureError, align, caspeal_faces, read_picture, write_picture

NAMES = [f"MY_{person:06}_IEU+00_PM+00_EN_A0_D0_T0_BB_M0_R1_S0" for person in (1, 2, 10)]


def make(root, lines, names=NAMES, subset="FRONTAL/Normal"):
    folder = root / subset
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in names:
        write_picture(folder / f"{name}.tif", rng.random((60, 45)))
    (folder / "FaceFP_2.txt").write_text("".join(line + "\n" for line in lines))
    return root


def test_its_layout(tmp_path):
    lines = [f"{NAMES[2]}\t 12 20 30 21", f"{NAMES[0]} 11 20 31 20 ", "", f"{NAMES[1]}\t10\t22 29  23"]
    calls = []
    faces = caspeal_faces(make(tmp_path, lines), size=24, report=lambda *n: calls.append(n))
    assert faces.names == tuple(NAMES)
    assert faces.skipped == ()
    assert faces.images.shape == (3, 24, 24)
    image = read_picture(tmp_path / "FRONTAL/Normal" / f"{NAMES[1]}.tif")
    np.testing.assert_array_equal(faces.images[1], align(image, (10.0, 22.0, 29.0, 23.0), size=24))
    assert calls == [(1, 3), (2, 3), (3, 3)]


def test_another_folder_of_it(tmp_path):
    make(tmp_path, [f"{NAMES[0]} 11 20 31 20"], NAMES[:1], "POSE/000001")
    assert len(caspeal_faces(tmp_path, subset="POSE/000001", size=24)) == 1


def test_gaps_are_listed(tmp_path):
    """A picture without eyes, and eyes without a picture."""
    make(tmp_path, [f"{NAMES[0]} 11 20 31 20", f"{NAMES[2]} 11 20 31 20"], NAMES[:2])
    faces = caspeal_faces(tmp_path, size=24)
    assert faces.names == (NAMES[0],)
    reasons = dict(faces.skipped)
    assert "no line in FaceFP_2.txt" in reasons[NAMES[1]]
    assert "no such file" in reasons[NAMES[2]]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (f"{NAMES[1]} 1 2 3", "line 2: .*a name and four numbers"),
        (f"{NAMES[1]} 1 2 3 x", "line 2: 'x' is not a number"),
        (f"{NAMES[0]} 1 2 3 4", "line 2: MY_000001.* a second time"),
    ],
)
def test_wrong_lines(tmp_path, line, reason):
    make(tmp_path, [f"{NAMES[0]} 11 20 31 20", line])
    with pytest.raises(PictureError, match=reason) as caught:
        caspeal_faces(tmp_path)
    assert "FaceFP_2.txt" in str(caught.value)


def test_not_there(tmp_path):
    with pytest.raises(PictureError, match=r"FaceFP_2\.txt cannot be read"):
        caspeal_faces(tmp_path)
    make(tmp_path, [f"{NAMES[0]} 11 20 31 20"], [])
    with pytest.raises(PictureError, match=r"Normal: none of its 1 pictures"):
        caspeal_faces(tmp_path)
