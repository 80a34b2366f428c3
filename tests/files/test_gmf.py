"""Compact files: what goes in comes out, whatever is damaged is refused, and nothing takes long."""

import dataclasses
import math
import re
from pathlib import Path
from random import Random

import jax
import numpy as np
import pytest

import gmjax
from gmjax.files import frequencies, gmf
from gmjax.files.frequencies import NORMAL_RATIOS, POWERS, SCALES, binomial, magnitudes, normal, scale_of
from gmjax.files.gmf import Compact, Steps, decode, encode, to_model
from gmjax.files.gmf_layers import Grid, Layer, decode_layer, encode_layer
from gmjax.files.models import HEADER, ModelFileError, fitted_shape, load_metadata
from gmjax.files.range_coder import MAX_TOTAL, CompactFileError
from tests.files.compact_files import as_set, random_compact, random_layer
from tests.reliability.mutations import mutated, within

DOCUMENT = Path(__file__).parents[2] / "docs" / "format.md"
# Checking the types of arguments takes much longer than coding.
unchecked = pytest.mark.usefixtures("unchecked")
MASSES = (1, 2, 3, 1000, 2**16 - 1, 2**16, 2**31, 2**58)


class Bounded(int):
    """An integer whose sums, products and quotients are integers of this kind, below 2^53."""

    def _checked(operation):
        def checked(self, other):
            if not isinstance(other, int):
                return NotImplemented
            value = operation(int(self), int(other))
            assert abs(value) < 2**53
            return Bounded(value)

        return checked

    __add__, __radd__ = _checked(int.__add__), _checked(int.__radd__)
    __sub__, __rsub__ = _checked(int.__sub__), _checked(int.__rsub__)
    __mul__, __rmul__ = _checked(int.__mul__), _checked(int.__rmul__)
    __floordiv__, __rfloordiv__ = _checked(int.__floordiv__), _checked(int.__rfloordiv__)
    __lshift__, __rshift__ = _checked(int.__lshift__), _checked(int.__rshift__)


def test_constants():
    """As docs/format.md has them, and so far from a half that no language rounds them otherwise."""
    text = DOCUMENT.read_text()
    for values, exact in (
        (POWERS, [2**12 * 2 ** (i / 48) for i in range(48)]),
        (NORMAL_RATIOS, [2**16 * math.exp(-0.5 / 2**t) for t in range(12)]),
    ):
        assert ", ".join(map(str, values)) in re.sub(r"\s+", " ", text)
        assert max(abs(value - found) for value, found in zip(values, exact, strict=True)) < 0.4999
    assert SCALES[0] == 1
    assert SCALES[-1] == 2**20
    assert list(SCALES) == sorted(SCALES)
    assert [scale_of(mean) for mean in (0, 1, 2**20, 2**40)] == [0, 3, 80, 80]
    assert all(scale_of(scale) == max(t for t in range(81) if SCALES[t] == scale) for scale in SCALES)


@pytest.mark.parametrize("count", [1, 2, 3, 63, 64, 127, 128, 163, 255, 256, 1000, 4095, 4096, gmf.MAX_COMPONENTS])
def test_binomial(count):
    for left in MASSES:
        for right in MASSES:
            starts = binomial.__wrapped__(count, left, right).starts
            assert len(starts) == count + 2
            assert min(np.diff(starts)) >= 1
            assert starts[-1] <= MAX_TOTAL


def test_binomial_is_one():
    random = np.random.default_rng(0)
    for count in (1, 5, 80, 400):
        left, right = map(int, random.integers(1, 2**15, 2))
        found = np.diff(binomial(count, left, right).starts)
        p = left / (left + right)
        exact = np.array([math.comb(count, k) * p**k * (1 - p) ** (count - k) for k in range(count + 1)])
        # What a symbol costs more than it must, on average, in bits.
        assert 0 <= (exact * np.log2(exact * found.sum() / found)).sum() < 0.01


def test_magnitudes():
    for scale in range(81):
        starts = magnitudes(scale).starts
        found = np.diff(starts)
        assert found.min() >= 1
        assert starts[-1] <= MAX_TOTAL
        mean = (found[:-1] * np.arange(len(found) - 1)).sum() / found[:-1].sum()
        # A tail of about 1 / 16 is cut off where the mean is large, and single steps where it is small.
        assert 0.7 * SCALES[scale] / 256 - 0.01 < mean < 1.3 * SCALES[scale] / 256 + 0.01


def test_normal():
    for count in (18, 864):
        for spread in range(12):
            for mean in (0, 1, count // 2, count - 1):
                masses = np.diff(normal(count, mean, spread))
                assert masses.min() >= 1
                assert masses.sum() < 2**53
                exact = np.exp(-0.5 * (np.arange(count) - mean) ** 2 / 2.0**spread)
                np.testing.assert_allclose((masses - 1) / 2**16, exact, atol=0.02)


@pytest.mark.soak
def test_no_intermediate_reaches_2_to_the_53(monkeypatch):
    monkeypatch.setattr(frequencies, "_ONE", Bounded(2**16))
    monkeypatch.setattr(frequencies, "SCALES", tuple(map(Bounded, SCALES)))
    monkeypatch.setattr(frequencies, "NORMAL_RATIOS", tuple(map(Bounded, NORMAL_RATIOS)))
    for count in (1, 2, 80, 163, 4096, gmf.MAX_COMPONENTS):
        for left, right in ((1, 1), (1, 2**16 - 2), (2**16 - 2, 1), (2**15, 2**15 - 1)):
            binomial.__wrapped__(Bounded(count), Bounded(left), Bounded(right))
    for scale in range(81):
        magnitudes.__wrapped__(scale)
    for spread in range(12):
        normal.__wrapped__(864, 400, spread)
    # A total divides the range, so start * part is below 2^32 and range * 2^8 below 2^32 too.
    assert 2**24 // MAX_TOTAL > 0


@pytest.mark.parametrize("shape", [(1, 1), (65535, 65535), (65535, 1), (1, 65535), (120, 100)])
@pytest.mark.parametrize("position", [0, 14, 31])
def test_cells(shape, position):
    """As fine as asked for, to a cell, from all integers; those in the margin are about as many as its area."""
    for classes in (3, 48):
        grid = Grid(shape, classes, position)
        for width in (0, 1, grid.widths // 2, grid.widths - 1):
            for axis, cells in enumerate(grid.cells(width)):
                length = shape[axis] / max(shape) + 0.3
                exact = length / (2 ** (1 - width / classes) * 2 ** (-position / 4))
                assert abs(cells - exact) <= 1.01 + 2e-4 * exact
                # (20 side + 6 longer) 2^13 < 2^34 and 6 longer cells: in halves, all below 2^53.
                assert 6 * max(shape) * cells < 2**53
                found = grid.axes(width)[axis]
                assert abs(found.begin - 0.15 / length * cells) <= 1
                assert found.end == cells - found.begin


@unchecked
@pytest.mark.parametrize("seed", range(30))
def test_round_trip(seed):
    compact = random_compact(seed, extreme=seed % 2 == 1)
    content = encode(compact)
    found = decode(content)
    assert [as_set(layer) for layer in found.layers] == [as_set(layer) for layer in compact.layers]
    empty = {"layers": ()}
    assert dataclasses.replace(found, **empty) == dataclasses.replace(compact, **empty)
    jax.tree.map(np.testing.assert_array_equal, decode(encode(found)).layers, found.layers)  # in the order of the file
    params = to_model(found)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(params))
    assert (np.asarray(params.precision_chol)[:, (0, 2)] > 0).all()


@unchecked
def test_thousands_of_components():
    random = np.random.default_rng(0)
    grid = Grid((300, 200), 6, 14)
    layer = random_layer(random, grid, 3000, 3)
    assert as_set(decode_layer(encode_layer(layer, grid), grid, 3, 3000)) == as_set(layer)


@unchecked
def test_components_that_are_all_equal():
    """They take less than two bits each, of which a decoder makes sure."""
    grid = Grid((1, 1), 3, 0)
    for count in (1, 7, 500):
        layer = Layer(*(np.zeros((count, *shape), int) for shape in ((), (2,), (2,), (1,))))
        content = encode_layer(layer, grid)
        assert as_set(decode_layer(content, grid, 1, count)) == as_set(layer)
        with pytest.raises(CompactFileError, match="cannot hold"):
            decode_layer(content, grid, 1, count - 1)


@unchecked
def test_a_set_costs_less_than_a_list():
    """log2(n!) bits less: the order is not stored."""
    random = np.random.default_rng(0)
    grid = Grid((120, 120), 6, 14)
    layer = random_layer(random, grid, 1000, None)
    width = np.full(1000, 30)
    cells = random.integers(0, grid.cells(30), (1000, 2))
    bits = 8 * len(
        encode_layer(layer._replace(widths=width, cells=cells, stretches=0 * cells, weights=layer.weights * 0), grid)
    )
    list_bits = 1000 * math.log2(math.prod(grid.cells(30)))
    assert bits < list_bits - 0.8 * math.lgamma(1001) / math.log(2)


@unchecked
@pytest.mark.parametrize("seed", range(3))
def test_prefixes(seed):
    """A prefix at the end of a layer is a file; every other is refused."""
    compact = random_compact(seed, most=12)
    content = encode(compact)
    ends = {len(encode(dataclasses.replace(compact, layers=compact.layers[:n]))): n for n in (1, 2, 3)}
    for size in range(len(content)):
        if size in ends:
            assert len(decode(content[:size]).layers) == ends[size]
        else:
            with pytest.raises(CompactFileError):
                decode(content[:size])


@pytest.mark.soak
@unchecked
def test_damaged_files():
    """Each is a valid file or refused, and soon."""
    files = [encode(random_compact(seed, extreme=seed > 6, most=12)) for seed in range(10)]
    decoded = 0
    for number in range(200):
        random = Random(number)
        content = mutated(random.choice(files), random, files)
        with within(2, f"trial {number}"):
            try:
                params = to_model(decode(content))
            except CompactFileError:
                continue
        decoded += 1
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(params))
        assert (np.asarray(params.precision_chol)[:, (0, 2)] > 0).all()
    assert 10 < decoded < 180


def header(height: int, width: int, steps: Steps, *, flags: int = 0) -> bytes:
    compact = Compact((height, width), None, steps, ())
    content = bytearray(encode(compact))
    content[2] |= flags
    return bytes(content)


@unchecked
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "truncated"),
        (b"\xd3", "truncated"),
        (b"\x89PNG", "magic number"),
        (b"\xd3g\x40", "version 2"),
        (header(0, 5, Steps()) + b"\1\0", "size"),
        (header(65536, 5, Steps()) + b"\1\0", "size"),
        (header(5, 5, Steps(), flags=2) + b"\1\0", "grid"),
        (header(5, 5, Steps()) + b"\0", "cannot hold"),
        (header(5, 5, Steps()) + b"\4\xff\xff\xff\xff", "in no part"),
        (header(5, 5, Steps()) + b"\4\xff\xff\xff\xf0", "too large"),
        (header(5, 5, Steps()) + b"\xff\xff\xff\xff\1", "too large"),
        (bytes(gmf.MAX_BYTES + 1), "bytes"),
    ],
)
def test_errors(content, message):
    with pytest.raises(CompactFileError, match=message):
        decode(content)


@pytest.mark.soak
@unchecked
def test_more_layers_or_components_than_allowed(monkeypatch):
    compact = random_compact(0, most=20)
    layer = compact.layers[0]
    with pytest.raises(CompactFileError, match="layers"):
        decode(encode(dataclasses.replace(compact, layers=(layer,) * (gmf.MAX_LAYERS + 1))))
    monkeypatch.setattr(gmf, "MAX_COMPONENTS", 2 * len(layer.widths) - 1)
    with pytest.raises(CompactFileError, match="cannot hold"):
        decode(encode(dataclasses.replace(compact, layers=(layer, layer))))


@unchecked
def test_a_header_that_claims_much():
    """The largest picture and the finest steps, of components that take as many symbols as they can."""
    random = np.random.default_rng(0)
    steps = Steps(7, 31, 36, 0)
    grid = Grid((65535, 65535), 48, 31)
    layer = random_layer(random, grid, 200, 3, extreme=True)
    compact = Compact((65535, 65535), 3, steps, (layer,))
    content = encode(compact)
    with within(2, "1/50 of the components that a file may have"):
        to_model(decode(content))


def test_stretched_too_far():
    compact = random_compact(1, most=3)
    layer = compact.layers[0]
    too_far = layer._replace(stretches=layer.stretches * 0 + 16 * compact.steps.classes + 1)
    with pytest.raises(CompactFileError, match="stretched too far"):
        to_model(decode(encode(dataclasses.replace(compact, layers=(too_far,)))))


def test_shapes_are_the_exponentials_that_they_stand_for():
    """A = exp [[a + b, c], [c, a - b]] to 1e-12, for all stretches that a file can hold."""
    classes = 4
    stretches = np.array([[b, c] for b in range(-64, 65, 4) for c in range(-64, 65, 4)])
    n = len(stretches)
    layer = Layer(np.full(n, 9), np.zeros((n, 2), int), stretches, np.ones((n, 1), int))
    with jax.enable_x64(True):
        chol = np.asarray(to_model(Compact((10, 10), None, Steps(1), (layer,))).precision_chol)
    b, c = (2 * math.log(2) / classes * stretches).T
    h = np.hypot(b, c).astype(np.longdouble)
    slope = np.where(h > 0, np.sinh(h) / np.maximum(h, 1e-9), 1)
    width = 2 ** (1 - 9 / classes)
    a11 = np.cosh(h) + slope * b
    good = a11 > 1e-5 * np.cosh(h)  # the rest cancels here, even in extended precision
    np.testing.assert_allclose(np.asarray(chol[:, 0] ** 2 * width**2)[good], np.asarray(a11, float)[good], rtol=1e-11)
    np.testing.assert_allclose(chol[:, 0] * chol[:, 1] * width**2, np.asarray(slope * c, float), rtol=1e-12)
    np.testing.assert_allclose(chol[:, 0] * chol[:, 2] * width**2, 1, rtol=1e-12)
    # Turned by a quarter: b -> -b exchanges a11 and a22.
    turned = {tuple(pair): i for i, pair in enumerate(stretches.tolist())}
    opposite = np.array([turned[-b, c] for b, c in stretches.tolist()])
    np.testing.assert_allclose((chol[opposite, 1] ** 2 + chol[opposite, 2] ** 2), chol[:, 0] ** 2, rtol=1e-12)


def test_the_common_face_is_the_base():
    """A gain of 1 and weights of 0: the published face."""
    nothing = Layer(*(np.zeros((1, *shape), int) for shape in ((), (2,), (2,), (1,))))
    params = to_model(Compact((120, 120), None, Steps(), (nothing,), gain=128))
    published = gmjax.published_common_face()
    np.testing.assert_array_equal(gmjax.render(params, (30, 30)), gmjax.render(published, (30, 30)))


def test_the_example_of_the_document():
    text = DOCUMENT.read_text()
    (line,) = re.findall(r"^    (d3 67 .*)$", text, re.MULTILINE)
    content = bytes.fromhex(line)
    layer = Layer(*map(np.array, ([6, 15], [[4, 4], [9, 7]], [[0, 0], [2, -1]], [[300], [-41]])))
    compact = Compact((24, 20), None, Steps(position=8), (layer,), 0.5, 100)
    assert encode(compact) == content
    found = decode(content)
    jax.tree.map(np.testing.assert_array_equal, found.layers, compact.layers)
    assert dataclasses.replace(found, layers=()) == dataclasses.replace(compact, layers=())
    assert found.grid.widths == 42
    assert [found.grid.cells(width) for width in (6, 15)] == [(6, 5), (15, 13)]
    masses = normal(42, 10, 4)
    for low, middle, high, expected in ((0, 21, 42, (2, 564, 65537)), (0, 10, 21, (40098, 65537, 26779))):
        table = binomial(2, masses[middle] - masses[low], masses[high] - masses[middle])
        assert tuple(np.diff(table.starts)) == expected
    params = jax.tree.map(np.asarray, to_model(found))
    rows = np.column_stack([params.weights, params.means, params.precision_chol])[80:]
    written = [re.findall(r"-?\d+\.?\d*", row) for row in re.findall(r"^\| -?0\..*$", text, re.MULTILINE)]
    np.testing.assert_allclose(np.array(written, float), rows, rtol=1e-6, atol=1e-7)


def test_load(tmp_path):
    """By its content, whatever its name; with what commands ask of a header."""
    compact = random_compact(3, most=8)
    for name in ("face.gmf", "face", "face.safetensors", "face.json"):
        path = tmp_path / name
        path.write_bytes(encode(compact))
        jax.tree.map(np.testing.assert_array_equal, gmjax.load(path), to_model(decode(encode(compact))))
        metadata = load_metadata(path)
        assert fitted_shape(metadata) == compact.shape
        assert float(metadata["offset"]) == compact.offset == gmjax.load(path).offset
        assert HEADER.items() <= metadata.items()


@pytest.mark.parametrize("content", [b"\xd3g", b"\xd3g\x40", b"\xd3g" + bytes(2**20), encode(random_compact(0))[:-1]])
def test_load_refuses(tmp_path, content):
    path = tmp_path / "face.gmf"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=re.escape(str(path))):
        gmjax.load(path)
