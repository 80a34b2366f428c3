"""Model files: what is written comes back bit for bit, and no file can do anything but be refused."""

import json
import os
import struct
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import gmjax
from gmjax import ArgumentError, GmFace, published_common_face, render, stack
from gmjax.files.models import (
    HEADER,
    MAX_BYTES,
    MAX_CHANNELS,
    MAX_COMPONENTS,
    ModelFileError,
    load,
    load_metadata,
    save,
)

FINITE = st.floats(-(2.0**100), 2.0**100, width=32)
POSITIVE = st.floats(2.0**-100, 2.0**100, width=32)


@st.composite
def models(draw):
    """Any valid model, gray or colour, float32."""
    count = draw(st.integers(1, 6))
    shape = draw(st.sampled_from([(count,), (count, 1), (count, 3)]))
    chol = draw(hnp.arrays(np.float32, (count, 3), elements=POSITIVE))
    chol[:, 1] = draw(hnp.arrays(np.float32, (count,), elements=FINITE))
    weights = draw(hnp.arrays(np.float32, shape, elements=FINITE))
    means = draw(hnp.arrays(np.float32, (count, 2), elements=FINITE))
    return GmFace(jnp.asarray(weights), jnp.asarray(means), jnp.asarray(chol))


def small_model(count=5, channels=()):
    rng = np.random.default_rng(0)
    chol = rng.uniform(0.5, 4.0, (count, 3)).astype(np.float32)
    weights, means = rng.normal(size=(count, *channels)), rng.uniform(size=(count, 2))
    return GmFace(jnp.asarray(weights, jnp.float32), jnp.asarray(means, jnp.float32), jnp.asarray(chol))


def write_tensors(path, metadata=None, **changes):
    """A model file by the library's back door, with ``changes`` to its tensors (None: left out)."""
    model = small_model()
    tensors = {name: np.asarray(getattr(model, name)) for name in ("weights", "means", "precision_chol")} | changes
    tensors = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    path.write_bytes(safetensors.numpy.save(tensors, metadata={**HEADER, "offset": "1.0", **(metadata or {})}))
    return path


def assert_same_bits(a, b):
    for one, other in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        assert one.dtype == other.dtype
        assert one.shape == other.shape
        assert np.asarray(one).tobytes() == np.asarray(other).tobytes()


@settings(max_examples=100, deadline=None)
@given(
    model=models(),
    offset=st.sampled_from([1.0, 0.5, 1 / 3]),
    note=st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
)
def test_round_trip_bit_for_bit(tmp_path_factory, model, offset, note):
    path = tmp_path_factory.getbasetemp() / "round_trip.safetensors"
    save(path, model.replace(offset=offset), {"note": note})
    assert_same_bits(load(path), model)
    assert load(path).offset == offset
    metadata = load_metadata(path)
    assert metadata["note"] == note
    assert metadata["offset"] == str(offset)


def test_header_says_what_the_numbers_mean(tmp_path):
    path = tmp_path / "face.safetensors"
    save(path, published_common_face())
    size = struct.unpack("<Q", path.read_bytes()[:8])[0]
    header = json.loads(path.read_bytes()[8 : 8 + size])["__metadata__"]
    assert header == load_metadata(path) == {**HEADER, "offset": "1.0"}
    assert header["format"] == "gmjax.GmFace"
    assert header["format_version"] == "1"
    words = " ".join(header.values())
    for convention in ("no factor 1/2", "row first", "row / H, column / W", "A = L L^T", "l11, l21, l22"):
        assert convention in words
    np.testing.assert_array_equal(render(load(path), (12, 10)), render(published_common_face(), (12, 10)))


def test_a_gmf_file_begins_with_its_magic_number(tmp_path):
    (tmp_path / "text.gmf").write_text("some text")
    save(tmp_path / "tensors.GMF", small_model())
    for name in ("text.gmf", "tensors.GMF"):
        with pytest.raises(ModelFileError, match=rf"{name} is no .gmf file: it does not begin with its magic number"):
            load(tmp_path / name)


@pytest.mark.parametrize(("name", "problem"), [("x.foo", "unknown suffix .foo"), ("x", "no suffix"), ("x.csv", "text")])
def test_a_model_is_saved_by_its_suffix(tmp_path, name, problem):
    with pytest.raises(ArgumentError, match=rf"{name} .*{problem}.* use one of .*\.safetensors"):
        gmjax.save(tmp_path / name, small_model())
    assert not list(tmp_path.iterdir())


def test_equal_models_make_equal_files(tmp_path):
    notes = {name: name for name in "abcdefgh"}
    for number in range(3):
        save(tmp_path / f"{number}.safetensors", small_model(), dict(sorted(notes.items(), reverse=number == 1)))
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1


def test_metadata_can_be_passed_on(tmp_path):
    save(tmp_path / "a.safetensors", small_model(), {"source": "s1/1.pgm"})
    save(tmp_path / "b.safetensors", small_model(3), load_metadata(tmp_path / "a.safetensors"))
    assert load_metadata(tmp_path / "b.safetensors")["source"] == "s1/1.pgm"


@pytest.mark.parametrize(("enabled", "dtype"), [(False, "float32"), (True, "float64")])
def test_float64_as_the_caller_has_it(tmp_path, enabled, dtype):
    weights = np.linspace(0.1, 0.5, 5)
    path = write_tensors(tmp_path / "m.safetensors", weights=weights, means=np.full((5, 2), 1 / 3))
    with jax.enable_x64(enabled), warnings.catch_warnings():
        warnings.simplefilter("error")
        model = load(path)
    assert model.weights.dtype == model.means.dtype == dtype
    assert model.precision_chol.dtype == "float32"
    np.testing.assert_array_equal(np.asarray(model.weights), weights.astype(dtype))


def test_float64_too_large_or_small_for_float32(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ModelFileError, match="too large for float32"):
            load(write_tensors(tmp_path / "large.safetensors", weights=np.full(5, 1e300)))
        signalling = np.full(5, 0x7FF0_0000_0000_0001, np.uint64).view(np.float64)
        with pytest.raises(ModelFileError, match="NaN"):
            load(write_tensors(tmp_path / "nan.safetensors", weights=signalling))
        with pytest.raises(ModelFileError, match="l11 > 0"):
            load(write_tensors(tmp_path / "small.safetensors", precision_chol=np.full((5, 3), 1e-300)))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"means": None}, "exactly weights, means, precision_chol"),
        ({"extra": np.zeros(2, np.float32)}, "extra"),
        ({"weights": np.zeros(4, np.float32)}, r"\(4,\), \(5, 2\)"),
        ({"weights": np.zeros((5, 0), np.float32)}, r"\(5, 0\)"),
        ({"weights": np.array(1.0, np.float32)}, "m of at least 1"),
        ({"means": np.zeros((2, 5, 2), np.float32)}, "the same leading axes"),
        ({"means": np.full((5, 2), np.nan, np.float32)}, "means has numbers that are NaN"),
        ({"precision_chol": np.zeros((5, 3), np.float32)}, "l11 > 0"),
        ({"weights": np.zeros(5, np.int16)}, "I16"),
        ({"weights": np.zeros(5, np.int64)}, "I64"),
        ({"weights": np.zeros((5, MAX_CHANNELS + 1), np.float32)}, "1001 channels"),
        ({name: np.zeros((0, *rest), np.float32) for name, rest in
          (("weights", ()), ("means", (2,)), ("precision_chol", (3,)))}, "m of at least 1"),
    ],
)  # fmt: skip
def test_wrong_tensors_are_refused(tmp_path, changes, words):
    path = write_tensors(tmp_path / "m.safetensors", **changes)
    with pytest.raises(ModelFileError, match=words) as caught:
        load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({"format": "other"}, "another kind"),
        ({"format_version": "2"}, "upgrade gmjax"),
        ({"format_version": "9" * 5000}, "upgrade gmjax"),
        ({"format_version": "one"}, "not a number"),
        ({"format_version": "²"}, "not a number"),
        ({"offset": "nan"}, "offset"),
        ({"offset": "first"}, "offset"),
        ({"offset": "1e300"}, "offset"),
        ({"note": "n" * 2**20}, "1 MiB"),
    ],
)
def test_wrong_header_is_refused(tmp_path, metadata, words):
    path = write_tensors(tmp_path / "m.safetensors", metadata)
    for read in (load, load_metadata):
        with pytest.raises(ModelFileError, match=words):
            read(path)


def test_what_is_no_model_file_is_refused(tmp_path):
    save(tmp_path / "good.safetensors", small_model())
    good = (tmp_path / "good.safetensors").read_bytes()
    contents = {
        "picture.safetensors": b"\x89PNG\r\n\x1a\n" + bytes(200),
        "truncated.safetensors": good[:-5],
        "header_only.safetensors": good[:100],
        "empty.safetensors": b"",
        "text.safetensors": b"hello",
        "bare.safetensors": safetensors.numpy.save({"a": np.zeros(2)}),
    }
    words = {"empty.safetensors": "empty", "bare.safetensors": "another kind"}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ModelFileError, match=words.get(name, "cannot be read as a model file")) as caught:
            load(tmp_path / name)
        assert name in str(caught.value)
    for path, text in ((tmp_path, "folder"), (tmp_path / "none", "no such file"), ("/dev/null", "not a plain file")):
        with pytest.raises(ModelFileError, match=text):
            load(path)


def test_a_huge_file_is_refused_unread(tmp_path):
    path = tmp_path / "huge.safetensors"
    with open(path, "wb") as stream:
        stream.truncate(MAX_BYTES + 1)
    with pytest.raises(ModelFileError, match="256 MiB"):
        load(path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m.replace(means=jnp.stack([m.means, m.means])), "the same leading axes"),
        (lambda m: m.replace(weights=m.weights[:3]), r"\(3,\)"),
        (lambda m: m.replace(means=m.means.at[0, 0].set(jnp.nan)), "NaN"),
        (lambda m: m.replace(precision_chol=0 * m.precision_chol), "l11 > 0"),
        (lambda m: m.replace(weights=m.weights.astype(jnp.bfloat16)), "float32 or float64"),
        (lambda m: jax.tree.map(lambda leaf: leaf[:0], m), "m of at least 1"),
        (lambda m: jax.tree.map(lambda leaf: jnp.repeat(leaf, MAX_COMPONENTS, axis=0), m), "at most 100000"),
    ],
)
def test_an_invalid_model_is_not_saved(tmp_path, change, words):
    with pytest.raises(ValueError, match=words):
        save(tmp_path / "m.safetensors", change(small_model()))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("metadata", [{"n": 1}, {1: "n"}, {"format": "mine"}])
@pytest.mark.usefixtures("unchecked")
def test_wrong_metadata_is_not_saved(tmp_path, metadata):
    with pytest.raises(ValueError, match="metadata"):
        save(tmp_path / "m.safetensors", small_model(), metadata)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("offset", [float("inf"), 1e9])
def test_a_grid_that_cannot_be_is_not_saved(tmp_path, offset):
    with pytest.raises(ValueError, match="offset"):
        save(tmp_path / "m.safetensors", small_model().replace(offset=offset))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("channels", [(), (1,), (3,)])
def test_a_batch_comes_back(tmp_path, channels):
    batch = stack([small_model(channels=channels), small_model(channels=channels)])
    for models in (batch, stack([batch, batch, batch])):
        save(tmp_path / "m.safetensors", models)
        assert_same_bits(load(tmp_path / "m.safetensors"), models)
        assert load(tmp_path / "m.safetensors").channels == (channels[0] if channels else None)


def test_a_negative_diagonal_is_saved_as_the_same_model(tmp_path):
    model = small_model()
    save(tmp_path / "m.safetensors", model.replace(precision_chol=-model.precision_chol))
    assert_same_bits(load(tmp_path / "m.safetensors"), model)
    path = write_tensors(tmp_path / "n.safetensors", precision_chol=-np.asarray(model.precision_chol))
    with pytest.raises(ModelFileError, match="l11 > 0"):
        load(path)


def test_more_than_can_be_loaded_is_not_saved(tmp_path):
    with pytest.raises(ValueError, match="1 MiB"):
        save(tmp_path / "m.safetensors", small_model(), {"note": "n" * 2**20})
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "none" / "m.safetensors", tmp_path / "file" / "m.safetensors"):
        with pytest.raises(ModelFileError, match="cannot be written") as caught:
            save(path, small_model())
        assert str(path) in str(caught.value)
    with pytest.raises(ModelFileError, match="cannot be written"):
        save(tmp_path, small_model())


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, step):
    path = tmp_path / "m.safetensors"
    save(path, small_model())

    def full(*args):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, step, full)
        with pytest.raises(ModelFileError, match="No space left"):
            save(path, small_model(7))
    assert_same_bits(load(path), small_model())
    assert os.listdir(tmp_path) == ["m.safetensors"]
