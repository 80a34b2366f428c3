"""Model files are data: whatever is in one, it is a valid model or a clear error that names the file."""

import json
from random import Random

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gmjax import GmFace, render
from gmjax.files.gmf import encode
from gmjax.files.models import ModelFileError, load, load_metadata, save
from tests.files.compact_files import random_compact
from tests.reliability.mutations import mutated, says_clearly, within

SECONDS_A_TRIAL = 10
NUMBERS = (-1, 0, 1, 2, 3, 4, 8, 24, 7.5, 1e400, -1e400, 2**31, 2**32, 2**62, 2**63, 2**64 - 1, 10**30)
TEXTS = ("", "F16", "F64", "BF16", "I64", "weights", "nan", "inf", "1e300", "-1", "2", "9" * 5000, "\0", "\x1b[2J", "²")


def valid_files(folder) -> list[bytes]:
    """Gray and colour, one component and many, float32 and float64, with and without notes."""
    files = []
    for count, channels, dtype in [(1, (), "f4"), (5, (), "f4"), (3, (1,), "f4"), (2, (3,), "f4"), (4, (3,), "f8")]:
        random = np.random.default_rng(count)
        shapes = (count, *channels), (count, 2), (count, 3)
        weights, means, chol = (random.uniform(0.5, 4.0, shape).astype(dtype) for shape in shapes)
        with jax.enable_x64(dtype == "f8"):
            notes = {"height": "24", "width": "20", "source": "a face"} if count > 1 else {}
            save(folder / "valid", GmFace(*map(jnp.asarray, (weights, means, chol))), notes)
        files.append((folder / "valid").read_bytes())
    return files


def with_header_edited(content: bytes, random: Random) -> bytes:
    """The header's JSON edited in one to three places; its length as it then is, and now and then not."""
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    for _ in range(random.randint(1, 3)):
        header = _edited(header, random)
    text = json.dumps(header).encode("utf-8", "surrogatepass")
    if random.randrange(8) == 0:
        nested = b'[{"a":' * random.choice((3, 100, 3000))
        text = random.choice((text[:-1] + b',"weights":' + nested, nested, b"\xff" + text, text[:-1], text + b"{}"))
    claimed = len(text)
    if random.randrange(8) == 0:
        claimed = random.choice((0, 1, len(text) - 1, len(text) + 1, 2**20 + 1, 2**31, 2**62))
    return claimed.to_bytes(8, "little") + text + content[end:]


def _edited(header: dict, random: Random) -> dict:
    parts = [part for part in header.values() if isinstance(part, dict)] + [header]
    part = random.choice(parts)
    if not part:
        return header
    name = random.choice(list(part))
    number, text = random.choice(NUMBERS), random.choice(TEXTS)
    match random.randrange(8):
        case 0:
            del part[name]
        case 1:
            part[text] = part[name]
        case 2:
            part[name] = text
        case 3:
            part[name] = number
        case 4:
            part[name] = random.choice([None, True, [], {}, [number], [number, text], "\ud800"])
        case 5 if isinstance(part[name], list) and part[name]:
            part[name][random.randrange(len(part[name]))] = number
        case 6 if isinstance(part[name], list):
            part[name] = part[name] + [number]
        case 7:
            part.setdefault("offset", text)
    return header


def check_loaded(path) -> bool:
    """Whether the file holds a model; that it is valid, or refused by an error that names the file and is short."""
    try:
        model, metadata = load(path), load_metadata(path)
    except ModelFileError as error:
        return not says_clearly(str(error), path)
    count = model.num_components
    assert count >= 1
    assert model.means.shape == (count, 2)
    assert model.precision_chol.shape == (count, 3)
    assert model.weights.shape in ((count,), (count, model.channels))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(model))
    assert (np.asarray(model.precision_chol)[:, (0, 2)] > 0).all()
    assert np.isfinite(float(metadata["offset"]))
    assert render(model, (3, 4)).shape[:2] == (3, 4)
    return True


def test_mutated_model_files(trials, tmp_path):
    path = tmp_path / "m.safetensors"
    files = valid_files(tmp_path)
    loaded = 0
    for number in trials("a mutated model file", short=2000, long=100_000, share=0.1):
        random = Random(number)
        content = random.choice(files)
        change = with_header_edited(content, random) if number % 2 else mutated(content, random, files)
        path.write_bytes(change)
        with within(SECONDS_A_TRIAL, f"trial {number}"):
            loaded += check_loaded(path)
    assert trials.tried / 100 < loaded < trials.tried * 0.9
    trials.cost("nothing: a clear error, or a valid model all the same")


@pytest.mark.usefixtures("unchecked")
def test_mutated_compact_files(trials, tmp_path):
    path = tmp_path / "m.gmf"
    files = [encode(random_compact(seed, extreme=seed % 3 == 2, most=12)) for seed in range(12)]
    loaded = 0
    for number in trials("a mutated compact file", short=100, long=50_000, share=0.1):
        random = Random(number)
        path.write_bytes(mutated(random.choice(files), random, files))
        with within(SECONDS_A_TRIAL, f"trial {number}"):
            loaded += check_loaded(path)
    assert trials.tried / 100 < loaded < trials.tried * 0.9
    trials.cost("nothing: a clear error, or a valid model all the same")


@pytest.mark.parametrize("size", [2**31, 2**62, 2**64 - 1])
def test_a_header_that_claims_to_be_enormous(tmp_path, size):
    path = tmp_path / "m.safetensors"
    path.write_bytes(size.to_bytes(8, "little") + b"{}" + bytes(100))
    assert not check_loaded(path)


@pytest.mark.parametrize("name", ["a" * 300, "a" * 5000, "a\0b", "../" * 2000, "a\nb", "\udcff"])
def test_names_that_no_file_has(tmp_path, name):
    with pytest.raises(ModelFileError):
        load(tmp_path / name)
