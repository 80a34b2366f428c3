"""Compact files of small pictures: within their bytes, in layers, to a PSNR, in colour, and of a given model."""

import numpy as np
import pytest

import gmjax
from gmjax import compact
from gmjax.data import orl_faces
from gmjax.errors import ArgumentError
from gmjax.files import gmf


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(compact, "_CYCLES", 1)
    monkeypatch.setattr(compact, "_PSNR_TRIALS", (1,) * 5)


@pytest.fixture
def smooth():
    """(16, 14), near a sum of few Gaussians."""
    row, column = np.mgrid[:16, :14] / 14
    return np.float32(0.5 + 0.3 * np.sin(5 * row) * np.cos(4 * column))


@pytest.fixture
def picture(smooth):
    """With detail that no few components write."""
    noise = np.random.default_rng(0).normal(size=smooth.shape) * 0.03
    return np.float32(np.clip(smooth + noise, 0, 1))


@pytest.fixture
def colors(picture):
    return np.stack([picture, 0.8 * picture, 1 - picture], axis=-1)


@pytest.mark.parametrize("base", [False, True])
def test_a_file_keeps_within_its_bytes_and_decodes_to_its_model(picture, base):
    found = compact.encode(picture, max_bytes=60, base=base)
    assert len(found.content) <= 60
    decoded = gmf.to_model(gmf.decode(found.content))
    np.testing.assert_array_equal(decoded.means, found.model.means)
    np.testing.assert_allclose(float(gmjax.psnr(gmjax.render(decoded, picture.shape), picture)), found.psnr, rtol=1e-5)
    assert (decoded.num_components > 80) == base
    assert found.psnr > 24


def test_a_smooth_picture_uses_its_bytes(smooth):
    """With coarse steps, rounding would cost what more components bring."""
    found = compact.encode(smooth, max_bytes=100)
    assert 90 < len(found.content) <= 100
    assert found.psnr > 64


@pytest.mark.soak
def test_the_same_bytes_again(picture):
    assert compact.encode(picture, max_bytes=60).content == compact.encode(picture, max_bytes=60).content


@pytest.mark.soak
def test_ends_of_layers_are_ends_of_files(picture):
    found = compact.encode(picture, max_bytes=(40, 80, 120))
    whole = gmf.decode(found.content)
    assert len(whole.layers) == 3
    ends = [
        len(gmf.encode(gmf.decode(found.content[:n])))
        for n in range(len(found.content) + 1)
        if is_file(found.content[:n])
    ]
    assert tuple(ends) == found.ends
    assert len(ends) == 3
    assert all(end <= most for end, most in zip(ends, (40, 80, 120), strict=True))
    quality = [
        float(gmjax.psnr(gmjax.render(gmf.to_model(gmf.decode(found.content[:n])), picture.shape), picture))
        for n in ends
    ]
    assert quality == sorted(quality)
    assert quality[-1] > quality[0] + 1


def is_file(content: bytes) -> bool:
    try:
        gmf.decode(content)
    except gmf.CompactFileError:
        return False
    return True


@pytest.mark.soak
def test_the_fewest_bytes_for_a_psnr(picture):
    found = compact.encode(picture, psnr=30.0)
    assert 30.0 <= found.psnr < 32
    assert found.psnr < compact.encode(picture, max_bytes=2 * len(found.content)).psnr
    with pytest.raises(ArgumentError, match="not reached"):
        compact.encode(np.random.default_rng(0).uniform(size=(8, 8)).astype(np.float32), psnr=90.0)


def test_colour(colors):
    found = compact.encode(colors, max_bytes=100)
    assert len(found.content) <= 100
    assert found.model.channels == 3
    assert found.psnr > 24


@pytest.mark.parametrize("channels", [None, 3])
def test_a_model_keeps_its_components(tmp_path, channels):
    """In a picture that is not square, on the grid of pixel centres."""
    rng = np.random.default_rng(0)
    weights = rng.uniform(0.1, 0.5, (5,) if channels is None else (5, 3))
    chol = np.stack([rng.uniform(2, 5, 5), rng.normal(size=5), rng.uniform(2, 5, 5)], axis=-1)
    model = gmjax.GmFace(*(np.float32(x) for x in (weights / 3, rng.uniform(0.1, 0.9, (5, 2)), chol)), offset=0.5)
    gmjax.save(tmp_path / "m.gmf", model, {"height": "20", "width": "28"})
    again = gmjax.load(tmp_path / "m.gmf")
    assert (again.num_components, again.channels, again.offset) == (5, channels, 0.5)
    assert gmjax.psnr(gmjax.render(again, (20, 28)), gmjax.render(model, (20, 28))) > 45


def test_wrong_arguments(picture, published):
    for words, call in {
        "max_bytes or psnr": {},
        "exclude": {"max_bytes": 100, "psnr": 30.0},
        "at least 24": {"max_bytes": 20},
        "from layer to layer": {"max_bytes": (50, 60)},
        "above 0": {"psnr": float("nan")},
        "1 or 0.5": {"max_bytes": 100, "offset": 0.25},
    }.items():
        with pytest.raises(ArgumentError, match=words):
            compact.encode(picture, **call)
    with pytest.raises(ArgumentError, match="gray"):
        compact.encode(np.zeros((8, 8, 2), np.float32), max_bytes=100)
    with pytest.raises(ArgumentError, match="one gray or RGB model"):
        gmjax.save("batch.gmf", gmjax.stack([published, published]))


def test_what_a_file_cannot_hold_the_other_components_make_up_for():
    """Long bars, and components far outside."""
    rng = np.random.default_rng(0)
    bars = gmjax.GmFace(
        np.float32([0.4, -0.3, 0.5, *rng.normal(size=9) / 4]),
        np.float32([[0.5, 0.4], [0.3, 0.6], [-0.6, 0.5], *rng.uniform(size=(9, 2))]),
        np.float32([[0.2, 3.0, 25.0], [20.0, 0.0, 0.02], [1.5, 0.5, 1.0], *([[6.0, 1.0, 5.0]] * 9)]),
    )
    drawn = np.clip(gmjax.render(bars, (24, 24)), 0, 1)
    assert compact.encode(drawn, bars).psnr > 35


@pytest.mark.soak
def test_more_bytes_are_no_worse_on_a_smooth_face():
    """So many wide components cancel one another that coarse steps would cost more than they gain."""
    face = orl_faces().images[200]
    few, many = (compact.encode(face, max_bytes=size) for size in (290, 500))
    assert many.psnr > few.psnr + 1
    assert len(many.content) > 480
