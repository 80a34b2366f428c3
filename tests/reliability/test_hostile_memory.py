"""What hostile files may cost in memory, each measured in a process of its own."""

import json
import zlib
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from PIL import Image

from gmjax.files.gmf import CLASSES, Compact, Steps, encode
from gmjax.files.gmf import MAX_COMPONENTS as MAX_COMPACT
from gmjax.files.gmf_layers import Grid
from gmjax.files.models import HEADER, MAX_BYTES, MAX_COMPONENTS
from tests.files.compact_files import random_layer
from tests.reliability import commands
from tests.reliability.conftest import SOAK_MINUTES
from tests.reliability.mutations import claim, png_file

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is Linux's to tell")


def ended(what: list[str] | str) -> int:
    """The status of a command as a list of words, or of a picture to read. The address space is not limited: JAX asks
    for more than it uses."""
    from gmjax.commands import main
    from gmjax.data import PictureError, read_picture

    if isinstance(what, list):
        return main.main(what)
    try:
        read_picture(what, color=True)
        return 0
    except PictureError:
        return 2


def all_ended(whats: list) -> list[int]:
    return [ended(what) for what in whats]


def measured(*whats) -> tuple[list[int], float]:
    """The status of each, and the peak in MiB; a crash or a warning fails."""
    words = [[str(word) for word in what] if isinstance(what, list) else str(what) for what in whats]
    return commands.measured(all_ended, words, strict=True)


def write_model(path: Path, count: int, channels: int = 1, precision: float = 2000.0, **notes: str) -> Path:
    """By the back door, so that it may be larger than ``gmjax.save`` would have it."""
    tensors = {
        "weights": np.full((count, channels) if channels > 1 else (count,), 0.01, np.float32),
        "means": np.random.default_rng(0).random((count, 2), np.float32),
        "precision_chol": np.tile(np.float32([precision, 0, precision]), (count, 1)),
    }
    safetensors.numpy.save_file(tensors, path, metadata={**HEADER, "offset": "1.0", **notes})
    return path


def with_giant_header(path: Path) -> Path:
    """A header of 90 MB, close to what the format allows: a good model among two million notes."""
    content = write_model(path, 3).read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    header["__metadata__"] |= {f"{number:030}": "" for number in range(2_000_000)}
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[end:])
    return path


@pytest.mark.soak
def test_absurd_models_are_refused(trials, tmp_path):
    """As many components, channels and notes as the format allows."""
    for number in trials("a model file of absurd size", short=1, long=3, share=0.01):
        path = tmp_path / "m.safetensors"
        if number == 0:
            write_model(path, MAX_BYTES // 24 - 100)
        elif number == 1:
            write_model(path, 1, MAX_BYTES // 4 - 1000)
        else:
            with_giant_header(path)
        found, peak = measured(["info", path])
        assert found == [2]
        assert peak < 1024
    trials.cost("nothing: a clear error, at most 1 GiB")


@pytest.mark.usefixtures("unchecked")
def test_compact_files_that_claim_much(tmp_path):
    """As many components as a file may have, of the finest steps, in the largest picture."""
    random = np.random.default_rng(0)
    grid = Grid((65_535, 65_535), CLASSES[7], 31)
    layer = random_layer(random, grid, MAX_COMPACT if SOAK_MINUTES else 300, 3, extreme=True)
    path = tmp_path / "m.gmf"
    path.write_bytes(encode(Compact(grid.shape, 3, Steps(7, 31), (layer,))))
    found, peak = measured(["info", path])
    assert found == [0]
    assert peak < 512


LARGEST = [
    (["info"], MAX_COMPONENTS, (120, 120), 512),
    (["render", "a.png"], 5, (65_535, 122), 768),
    (["render", "a.png"], 5, (65_535, 1220), 1536),
    (["render", "a.png"], MAX_COMPONENTS, (1500, 1500), 1280),
    (["plot", "a.png", "--kind", "surface"], 5, (8940, 8940), 2048),
]


@pytest.mark.soak
@pytest.mark.parametrize(("command", "count", "shape", "most"), LARGEST if SOAK_MINUTES else LARGEST[:2])
def test_the_largest_that_is_drawn(tmp_path, command, count, shape, most):
    """The size is what the file claims."""
    path = write_model(tmp_path / "m.safetensors", count, height=str(shape[0]), width=str(shape[1]))
    name, *rest = command
    found, peak = measured([name, path, *(tmp_path / word if word == "a.png" else word for word in rest)])
    assert found == [0]
    assert peak < most


def test_absurd_sizes_are_refused(tmp_path):
    """Undrawn: none of it would fit into memory."""
    path = write_model(tmp_path / "m.safetensors", 80)
    sizes = ["1", "79000000"], ["79000000", "1"], ["9000", "9000"], ["1" + 30 * "0"], [str(2**63)] * 2
    found, peak = measured(*(["render", path, tmp_path / "a.png", "--size", *size] for size in sizes))
    assert found == [2] * len(sizes)
    assert peak < 512


def test_pictures_that_claim_to_be_enormous(trials, tmp_path):
    """Above MAX_PIXELS, and just below it without a pixel to show for it."""
    bombs = []
    for number in trials("a small picture file that claims to be enormous", short=10, long=10, share=0.01):
        kind, side = [
            ("png", 12_000), ("png", 2**31 - 1), ("tiff", 2**31), ("gif", 65_535), ("webp", 16_383), ("bmp", 2**31 - 1),
            ("ppm", 10**9), ("tiff", 8_900), ("avif", 12_000), ("j2k", 2**31 - 1),
        ][number]  # fmt: skip
        bombs.append(tmp_path / f"{number}.{kind}")
        Image.new("L", (7, 7)).save(bombs[-1])
        bombs[-1].write_bytes(claim(bombs[-1].read_bytes(), side, side))
    found, peak = measured(*bombs)
    assert found == [2] * len(bombs)
    assert peak < 1024
    trials.cost("nothing: a clear error, at most 1 GiB")


@pytest.mark.parametrize("side", [8_900, 9_000, 12_000] if SOAK_MINUTES else [9_000])
def test_decompression_bombs(tmp_path, side):
    """Transparent pixels, the kind that takes most: just under MAX_PIXELS they are read, and above it are not."""
    rows = zlib.compressobj(1)
    packed = b"".join([rows.compress(b"\0" + b"\x80\x40\x20\x10" * side) for _ in range(side)] + [rows.flush()])
    path = tmp_path / "bomb.png"
    path.write_bytes(png_file(side, side, 6, packed))
    found, peak = measured(path)
    assert found == [0 if side == 8_900 else 2]
    assert peak < (3072 if side == 8_900 else 512)
