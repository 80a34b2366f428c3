"""What is doubtful about a face is said, and nothing of a good one."""

import numpy as np
import pytest

from gmjax.data import CROPS, FoundFace, NoFaceError, find_eyes, find_face, orl, resize
from gmjax.data.alignment import placement_by_eyes
from gmjax.data.verdicts import doubts_of_detection, doubts_of_placement, nose_offset, share_outside

FRONTAL = np.array([(100, 100), (160, 100), (130, 135), (108, 165), (152, 165)], float)
ASIDE = np.array([(0, 0), (0, 0), (1, 0), (0, 0), (0, 0)], float)  # only the nose
GOOD = FoundFace(FRONTAL, 1.0, False)


def turned(points, degrees):
    turn = np.exp(1j * np.radians(degrees))
    moved = (points - points.mean(axis=0)) @ (1, 1j) * turn
    return np.stack([moved.real, moved.imag], axis=1) + points.mean(axis=0)


def test_a_good_face():
    assert doubts_of_detection(GOOD) == []
    for crop, frame in CROPS.items():
        eyes = (200.0, 200.0, 260.0, 200.0)
        placement = placement_by_eyes(eyes, frame, 80)
        assert doubts_of_placement(placement, eyes, (400, 460), 80) == [], crop


@pytest.mark.parametrize(
    ("face", "words"),
    [
        (GOOD._replace(turns=1), "on its side: it was turned upright"),
        (GOOD._replace(turns=2), "upside down: it was turned upright"),
        (GOOD._replace(confidence=0.7), "uncertain face: confidence 0.70"),
        (GOOD._replace(several=True), "several faces"),
        (GOOD._replace(points=FRONTAL + 25 * ASIDE), "looks to the right"),
        (GOOD._replace(points=FRONTAL - 25 * ASIDE), "looks to the left"),
    ],
)
def test_doubts_of_the_face(face, words):
    (doubt,) = doubts_of_detection(face)
    assert words in doubt


def test_the_offset_of_the_nose_does_not_depend_on_place_size_and_turn():
    aside = FRONTAL + 12 * ASIDE
    for points in (aside, 3 * aside + 50, turned(aside, 25)):
        assert nose_offset(GOOD._replace(points=points)) == pytest.approx(0.2)
    assert nose_offset(GOOD) == pytest.approx(0)


@pytest.mark.parametrize(
    ("eyes", "shape", "words"),
    [
        ((100.0, 100.0, 140.0, 140.0), (300, 300), "tilted by 45 degrees"),
        ((100.0, 100.0, 110.0, 100.0), (300, 300), "enlarged"),
        ((20.0, 100.0, 80.0, 100.0), (300, 300), "cut by the border: "),
    ],
)
def test_doubts_of_the_place(eyes, shape, words):
    placement = placement_by_eyes(eyes, CROPS["face"], 60)
    (doubt,) = doubts_of_placement(placement, eyes, shape, 60)
    assert words in doubt


def test_eyes_outside():
    eyes = (-5.0, 100.0, 55.0, 100.0)
    doubts = doubts_of_placement(placement_by_eyes(eyes, CROPS["paper"], 60), eyes, (300, 300), 60)
    assert "an eye is outside the picture" in doubts


def test_the_share_outside():
    eyes = tuple(float(value) for value in (20, 10, 40, 10))
    placement = placement_by_eyes(eyes, CROPS["paper"], 60)
    (a, _, _), (_, _, left) = placement
    expected = max(0, -0.5 - (left - 0.5 * a)) / (60 * a)
    assert share_outside(placement, (1000, 1000), 60) == pytest.approx(expected, abs=0.02)
    assert share_outside(placement, (1000, 1000), 60) == share_outside(placement, (5000, 5000), 60)


@pytest.fixture(scope="module")
def faces():
    pytest.importorskip("cv2")
    images = orl._read_images()
    return [images[name] for name in ("s5/1.pgm", "s17/7.pgm")]


def test_a_picture_on_its_side_is_turned_upright(faces):
    upright = faces[0]
    expected = np.array(find_eyes(upright))
    assert find_face(upright).turns == 0
    for turns in (1, 2, 3):
        found = find_face(np.ascontiguousarray(np.rot90(upright, -turns)))
        assert found.turns == turns
        np.testing.assert_allclose(found.eyes, expected, atol=1e-6)


def test_several_faces_are_said(faces):
    one, other = faces
    assert not find_face(one).several
    assert find_face(np.concatenate([one, other], axis=1)).several
    small = np.pad(resize(other, (28, 23)), ((0, 196), (0, 0)), mode="edge")  # a poster on the wall
    assert not find_face(np.concatenate([small, resize(one, (224, 184))], axis=1)).several


def test_no_face_at_any_turn():
    pytest.importorskip("cv2")
    with pytest.raises(NoFaceError):
        find_face(np.random.default_rng(0).random((80, 80), dtype=np.float32))
