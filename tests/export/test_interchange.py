"""JSON and CSV read back to the same bits, and whatever else such a file holds is a clear error."""

import csv
import io
import json
from random import Random

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import gmjax
from gmjax import ArgumentError, GmFace, export
from gmjax.files import models
from gmjax.files.models import ModelFileError
from tests.export.formulas import formula
from tests.reliability.mutations import mutated, says_clearly

READERS = {"json": export.from_json, "csv": export.from_csv}


@st.composite
def random_models(draw) -> GmFace:
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    count, channels = draw(st.integers(1, 3)), draw(st.sampled_from([(), (1,), (3,)]))
    numbers = st.floats(allow_nan=False, allow_infinity=False, width=dtype(0).itemsize * 8)
    weights, means, chol = (
        draw(hnp.arrays(dtype, (count, *shape), elements=numbers)) for shape in (channels, (2,), (3,))
    )
    chol[:, ::2] = np.where(chol[:, ::2] == 0, dtype(1), np.abs(chol[:, ::2]))
    return GmFace(weights, means, chol, draw(st.floats(-1e6, 1e6)))


@settings(max_examples=60, deadline=None)
@given(params=random_models(), metadata=st.dictionaries(st.text(max_size=5), st.text(max_size=9), max_size=3))
def test_round_trip(params, metadata):
    with jax.enable_x64(True):
        for language, reader in READERS.items():
            found = reader(export.to_text(params, language, metadata=metadata))
            assert found.offset == params.offset
            assert (found.weights.ndim, found.channels) == (params.weights.ndim, params.channels)
            for mine, theirs in zip(jax.tree.leaves(found), jax.tree.leaves(params), strict=True):
                assert mine.dtype == theirs.dtype
                assert np.asarray(mine).tobytes() == theirs.tobytes()


@pytest.mark.parametrize("language", READERS)
def test_leaves_of_two_types(model, language):
    mixed = model.replace(means=model.means.astype(np.float64) / 3)
    with jax.enable_x64(True):
        for mine, theirs in zip(
            *map(jax.tree.leaves, (READERS[language](export.to_text(mixed, language)), mixed)), strict=True
        ):
            np.testing.assert_array_equal(np.asarray(mine, np.float64), np.asarray(theirs, np.float64))


@pytest.mark.parametrize("language", READERS)
def test_files(tmp_path, color_model, language):
    """``load`` takes them, with the notes that they keep."""
    path = tmp_path / f"m.{language.upper()}"
    metadata = {
        "height": "24",
        "width": "20",
        "source": "</script>\n\N{OGHAM SPACE MARK}\0",
    }
    path.write_text(export.to_text(color_model, language, shape=(24, 20), metadata=metadata), "utf-8-sig")
    for mine, theirs in zip(jax.tree.leaves(gmjax.load(path)), jax.tree.leaves(color_model), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    found = models.load_metadata(path)
    assert found == {
        **(metadata if language == "json" else {"height": "24", "width": "20"}),
        "offset": "1.0",
        **models.HEADER,
    }
    models.save(tmp_path / "again.safetensors", gmjax.load(path), found)
    with pytest.raises(ArgumentError, match="gmjax export"):
        gmjax.save(path, color_model)


def test_csv_has_numbers_only(color_model):
    text = export.to_text(color_model, "csv", shape=(24, 20), metadata={"=1+1": "=1+1"})
    head, *cells = csv.reader(io.StringIO(text))
    assert head == [
        "row",
        "column",
        "l11",
        "l21",
        "l22",
        "weight_1",
        "weight_2",
        "weight_3",
        "offset",
        "bits",
        "height",
        "width",
    ]
    assert np.isfinite(np.array(cells, float)).all()


def test_csv_as_other_programs_write_it(model):
    """Columns in another order, quoted, without the optional ones, and with empty rows at the end."""
    text = export.to_text(model, "csv")
    table = [row[5::-1] for row in csv.reader(io.StringIO(text))]
    changed = "\r\n".join(",".join(f'"{cell} "' for cell in row) for row in table) + "\r\n,,,,,\r\n"
    for mine, theirs in zip(jax.tree.leaves(export.from_csv(changed)), jax.tree.leaves(model), strict=True):
        np.testing.assert_array_equal(mine, theirs)


GOOD = {
    "format": "gmjax.GmFace",
    "format_version": "1",
    "offset": 1.0,
    "weights": [0.5],
    "means": [[0.5, 0.5]],
    "precision_chol": [[1.0, 0.0, 1.0]],
}
HEAD = "row,column,l11,l21,l22,weight,offset,bits\n"


@pytest.mark.parametrize(
    ("language", "text", "reason"),
    [
        ("json", " ", "not valid JSON"),
        ("json", "[" * 100_000, "nested too deeply"),
        ("json", "[1]", "one object"),
        ("json", "{}", "of another kind"),
        ("json", {"format": "\x1b[2J"}, "of another kind"),
        ("json", {"format_version": "2"}, "upgrade gmjax"),
        ("json", {"format_version": 1e400}, "format version"),
        ("json", {"offset": None}, "its offset is None"),
        ("json", {"offset": "1e300"}, "its offset is 1e300"),
        ("json", {"weights": [[[0.5]]]}, "a model has weights"),
        ("json", {"weights": ["a" * 10_000]}, "must be a list of numbers"),
        ("json", {"weights": [[0.5], [0.5, 0.5]]}, "must be a list of numbers"),
        ("json", {"weights": {"a": 1}}, "must be a list of numbers"),
        ("json", {"weights": [1e300]}, "too large for float32"),
        ("json", {"weights": [10**400]}, "infinite"),
        ("json", {"weights": [float("nan")]}, "NaN"),
        ("json", {"precision_chol": [[1.0, 0.0, 0.0]]}, "l22 > 0"),
        ("json", {"dtype": "float16"}, "dtype"),
        ("json", {"dtype": ["float32"]}, "dtype"),
        ("json", {"metadata": {"a": 1}}, "text by name"),
        ("json", {"metadata": {"a": "\ud800"}}, "text by name"),
        ("json", {"weights": [[0.5]], "means": [[[0.5, 0.5]]], "precision_chol": [[[1, 0, 1]]]}, "batch"),
        ("csv", "\n", "must have the columns"),
        ("csv", "row,column\n", "must have the columns"),
        ("csv", "row,row,column,l11,l21,l22,weight\n", "must have the columns"),
        ("csv", "row,column,l11,l21,l22,weight_2\n", "must have the columns"),
        ("csv", HEAD.replace(",", ";"), "must have the columns"),
        ("csv", HEAD, "no rows"),
        ("csv", HEAD + "0,0,1,0,1,1,1\n", "has 7 cells"),
        ("csv", HEAD + "0,0,1,0,1,=1+1,1,32\n", "weight has a cell that is not a number"),
        ("csv", HEAD + "0,0,1,0,1,nan,1,32\n", "NaN"),
        ("csv", HEAD + "0,0,1,0,1,1,1,16\n", "32 or 64"),
        ("csv", HEAD + "0,0,1,0,1,1,1,32\n0,0,1,0,1,1,2,32\n", "offset must have the same number"),
        ("csv", HEAD + "0,0,1,0,1,1,inf,32\n", "its offset is inf"),
        ("csv", HEAD + "0,0,0,0,1,1,1,32\n", "l11 > 0"),
        ("csv", HEAD + "0,0,1,0,1,1,1,32\n" * 100_001, "100001 components"),
        ("csv", '"' + "a" * 200_000, "not valid CSV"),
    ],
)
def test_other_text_is_refused(tmp_path, language, text, reason):
    path = tmp_path / f"m.{language}"
    path.write_text(json.dumps(GOOD | text) if isinstance(text, dict) else text)
    with pytest.raises(ModelFileError) as error:
        models.load(path)
    assert says_clearly(str(error.value), path)
    assert reason in str(error.value)


def test_what_is_no_text(tmp_path):
    path = tmp_path / "m.csv"
    models.save(tmp_path / "m", gmjax.published_common_face())
    (tmp_path / "m").rename(path)
    with pytest.raises(ModelFileError, match="not text in UTF-8"):
        models.load(path)
    with open(path, "wb") as stream:
        stream.truncate(2**25 + 1)
    with pytest.raises(ModelFileError, match="32 MiB"):
        models.load(path)


@pytest.mark.parametrize("language", READERS)
def test_mutated_files(tmp_path, language):
    """A valid model or an error that names the file."""
    path, loaded = tmp_path / f"m.{language}", 0
    content = export.to_text(formula(channels=3).params, language, shape=(24, 20)).encode()
    for number in range(200):
        path.write_bytes(mutated(content, Random(number)))
        loaded += holds_a_model(path)
    assert 5 < loaded < 170


def holds_a_model(path) -> bool:
    try:
        params = models.load(path)
    except ModelFileError as error:
        return not says_clearly(str(error), path)
    assert np.isfinite(params.weights).all()
    assert (np.asarray(params.precision_chol)[:, ::2] > 0).all()
    return True


def test_no_name_stands_twice_in_json(published):
    def once(pairs):
        names = [name for name, _ in pairs]
        assert len(set(names)) == len(names)
        return dict(pairs)

    content = json.loads(export.to_text(published, "json", metadata={"source": "me.jpg"}), object_pairs_hook=once)
    assert content["metadata"] == {"source": "me.jpg"}
    assert len(content["weights"]) == published.num_components
