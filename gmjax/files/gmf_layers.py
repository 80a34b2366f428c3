"""How a compact file codes the components of one layer: as a set of places, then stretches and weights in its order."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from gmjax.files.frequencies import POWERS, SCALES, Table, binomial, magnitudes, normal, scale_of
from gmjax.files.range_coder import CompactFileError, Decoder, Encoder

MAX_INTEGER = 2**20

# Centres lie within the picture and a margin of 3/20 of its longer side, where they are this much rarer.
MARGIN = 3 / 20
_INSIDE, _OUTSIDE = 6, 1
# The components of a layer take at least so many bits each; zeros are added where they would take fewer.
_FEWEST_BITS = 2
# The |v| to expect of the first stretch, as a part of an octave in 1/256; expectations move by 1/8 to what they see.
_FIRST_STRETCH, _FOLLOW = 110, 3


class Layer(NamedTuple):
    """Integers of n components: ``widths`` (n,), ``cells`` (n, 2), ``stretches`` (n, 2) and ``weights`` (n, C)."""

    widths: Int[np.ndarray, " n"]
    cells: Int[np.ndarray, "n 2"]
    stretches: Int[np.ndarray, "n 2"]
    weights: Int[np.ndarray, "n c"]


class Grid(NamedTuple):
    """Where components of a picture of ``shape`` (H, W) can be: ``classes`` of width in an octave, and cells of
    2^(-``position`` / 4) widths."""

    shape: tuple[int, int]
    classes: int
    position: int

    @property
    def longer(self) -> int:
        return max(self.shape)

    @property
    def widths(self) -> int:
        """The number of classes of width. The last is narrower than half a pixel."""
        return self.classes * (self.longer.bit_length() + 2)

    def cells(self, width: int) -> tuple[int, int]:
        """The numbers of cells along both axes for components of the class ``width``."""
        octaves = 48 * width // self.classes - 48 + 12 * self.position
        rows, columns = ((20 * side + 6 * self.longer) * POWERS[octaves % 48] for side in self.shape)
        shift, unit = octaves // 48, 20 * self.longer << 12
        finer = [n << shift if shift >= 0 else n >> -shift for n in (rows, columns)]
        return finer[0] // unit + 1, finer[1] // unit + 1

    def axes(self, width: int) -> tuple["_Axis", "_Axis"]:
        """All cells for components of the class ``width``, along both axes."""
        rows, columns = map(self._axis, self.cells(width), self.shape)
        return rows, columns

    def _axis(self, cells: int, side: int) -> "_Axis":
        margin = (6 * self.longer * cells // (20 * side + 6 * self.longer) + 1) // 2
        return _Axis(0, cells, margin, cells - margin)


def encode_layer(layer: Layer, grid: Grid) -> bytes:
    """The bytes of a layer."""
    widths = np.asarray(layer.widths)
    spread = int(np.clip(np.round(2 * np.log2(max(1.0, float(widths.std())))), 0, 11))
    # What to expect of the first weights: those of the widest fifth.
    widest = np.argsort(widths, kind="stable")[: max(1, len(widths) // 5)]
    expected = scale_of(round(256 * float(np.abs(layer.weights[widest, 0]).mean())))
    coder = _Writer()
    _count(coder, len(widths))
    coder.uniform(grid.widths, mean := round(float(widths.mean())))
    coder.uniform(12, spread)
    coder.uniform(len(SCALES), expected)
    places = zip(widths.tolist(), *layer.cells.T.tolist(), range(len(widths)), strict=True)
    order = [place[-1] for place in _places(coder, len(widths), grid, normal(grid.widths, mean, spread), list(places))]
    _numbers(coder, grid, expected, layer.stretches[order].tolist(), layer.weights[order].tolist())
    return coder.finish().ljust(-(-_FEWEST_BITS * len(widths) // 8), b"\0")


def decode_layer(payload: bytes, grid: Grid, channels: int, most: int) -> Layer:
    """The layer of the bytes. Raises CompactFileError if they are damaged or hold more than ``most`` components."""
    coder = _Reader(payload)
    count = _count(coder, 1)
    if count > min(most, 8 * len(payload) // _FEWEST_BITS):
        raise CompactFileError(f"is damaged: its {len(payload)} bytes cannot hold {count} components")
    mean, spread, expected = coder.uniform(grid.widths, 0), coder.uniform(12, 0), coder.uniform(len(SCALES), 0)
    places = np.array(_places(coder, count, grid, normal(grid.widths, mean, spread), None))
    stretches, weights = _numbers(coder, grid, expected, [[0, 0]] * count, [[0] * channels] * count)
    return Layer(places[:, 0], places[:, 1:3], np.array(stretches), np.array(weights))


class _Writer:
    """Codes values. ``_Reader`` has the same methods, which ignore their value and return what they read."""

    def __init__(self) -> None:
        self._coder = Encoder()
        self.finish = self._coder.finish

    def symbol(self, table: Table, value: int) -> int:
        self._coder.encode(table.starts[value], table.starts[value + 1] - table.starts[value], table.total)
        return value

    def uniform(self, total: int, value: int) -> int:
        self._coder.encode(value, 1, total)
        return value


class _Reader:
    def __init__(self, content: bytes) -> None:
        self._coder = Decoder(content)

    def symbol(self, table: Table, value: int) -> int:
        value = table.find(self._coder.target(table.total))
        self._coder.advance(table.starts[value], table.starts[value + 1] - table.starts[value])
        return value

    def uniform(self, total: int, value: int) -> int:
        value = self._coder.target(total)
        self._coder.advance(value, 1)
        return value


_Coder = _Writer | _Reader


def _count(coder: _Coder, value: int) -> int:
    """A number of at least 1 and below 2^22, small ones in few bits (Elias gamma)."""
    bits = 0
    while coder.uniform(2, int(value >> bits > 1)):
        bits += 1
        if bits > 21:
            raise CompactFileError("is damaged: it has a number that is too large")
    found = 1
    for shift in reversed(range(bits)):
        found = found << 1 | coder.uniform(2, value >> shift & 1)
    return found


class _Signed:
    """Codes integers about 0. The |v| to expect, ``mean`` in 1/256, follows those that were coded before."""

    def __init__(self, mean: int) -> None:
        self._mean = mean

    def code(self, coder: _Coder, value: int) -> int:
        table = magnitudes(scale_of(self._mean))
        larger = table.count - 1
        size = coder.symbol(table, min(abs(value), larger))
        if size == larger:
            size += _count(coder, abs(value) - larger + 1) - 1
        if size > MAX_INTEGER:
            raise CompactFileError("is damaged: it has a number that is too large")
        self._mean += (256 * size - self._mean) >> _FOLLOW
        return -size if size and coder.uniform(2, int(value < 0)) else size


def _numbers(coder: _Coder, grid: Grid, expected: int, stretches, weights) -> tuple[list, list]:
    """Codes ``stretches`` (n, 2) and ``weights`` (n, C), component by component."""
    of_stretches = [_Signed(_FIRST_STRETCH * grid.classes) for _ in range(2)]
    of_weights = [_Signed(SCALES[expected]), *[_Signed(SCALES[expected] >> 2)] * (len(weights[0]) - 1)]
    found: tuple[list, list] = ([], [])
    for component in zip(stretches, weights, strict=True):
        for streams, values, kept in zip((of_stretches, of_weights), component, found, strict=True):
            kept.append([stream.code(coder, value) for stream, value in zip(streams, values, strict=True)])
    return found


# (width, row, column) in classes and cells, and the number of the component, where it is known.
_Place = tuple[int, ...]


class _Axis(NamedTuple):
    """The cells from ``low`` to ``high`` along an axis, of which those from ``begin`` to ``end`` are in the picture."""

    low: int
    high: int
    begin: int
    end: int

    @property
    def size(self) -> int:
        return self.high - self.low

    @property
    def mass(self) -> int:
        inside = max(0, min(self.high, self.end) - max(self.low, self.begin))
        return _INSIDE * inside + _OUTSIDE * (self.high - self.low - inside)

    def halves(self) -> tuple["_Axis", "_Axis"]:
        low, high, begin, end = self
        middle = (low + high) // 2
        return _Axis(low, middle, begin, end), _Axis(middle, high, begin, end)


def _places(
    coder: _Coder, count: int, grid: Grid, masses: tuple[int, ...], places: list[_Place] | None
) -> list[_Place]:
    """Codes ``count`` places as a set, and returns them in the order of the file. ``places``: None to read them.

    A box of classes, later of cells, is halved until a single one is left; what is coded is how many places are in the
    lower half. First the widths are halved, then, for each width, the longer side of the box of cells.
    """
    found: list[_Place] = []

    def halve(count: int, left: int, right: int, places: list[_Place] | None, axis: int, middle: int):
        """How many places are below ``middle``, and those on both sides of it."""
        if places is None:
            return coder.symbol(binomial(count, left, right), 0), None, None
        lower = [place for place in places if place[axis] < middle]
        upper = [place for place in places if place[axis] >= middle]
        return coder.symbol(binomial(count, left, right), len(lower)), lower, upper

    def code_widths(low: int, high: int, count: int, places: list[_Place] | None) -> None:
        while count and high - low > 1:
            middle = (low + high) // 2
            left, right = masses[middle] - masses[low], masses[high] - masses[middle]
            number, lower, upper = halve(count, left, right, places, 0, middle)
            code_widths(low, middle, number, lower)
            low, count, places = middle, count - number, upper
        if count:
            code_cells(low, *grid.axes(low), count, places)

    def code_cells(width: int, rows: _Axis, columns: _Axis, count: int, places: list[_Place] | None) -> None:
        while count and (rows.size > 1 or columns.size > 1):
            along_rows = rows.size >= columns.size
            first, second = (rows if along_rows else columns).halves()
            number, lower, upper = halve(count, first.mass, second.mass, places, 1 if along_rows else 2, second.low)
            if number:
                code_cells(width, *((first, columns) if along_rows else (rows, first)), number, lower)
            rows, columns = (second, columns) if along_rows else (rows, second)
            count, places = count - number, upper
        if count:
            found.extend([(width, rows.low, columns.low)] * count if places is None else places)

    code_widths(0, grid.widths, count, places)
    return found
