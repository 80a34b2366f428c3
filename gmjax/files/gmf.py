"""Compact files (.gmf): a model of a gray or RGB picture in a few hundred bytes. docs/format.md specifies every byte.

What is stored are integers: the class of each component's width, its cell among cells as fine as its width asks for,
how it is stretched, and its weights. The components are coded as a set, without an order, by range coding. Decoding
executes nothing, and takes time and memory in proportion to the file.
"""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from gmjax.coordinates import to_coordinates
from gmjax.files.gmf_layers import MARGIN, CompactFileError, Grid, Layer, decode_layer, encode_layer
from gmjax.gmface import GmFace
from gmjax.published import published_common_face

SUFFIX = ".gmf"
MAGIC = b"\xd3g"
VERSION = 1
MAX_SIDE = 2**16 - 1
# Decoding takes up to half a millisecond a component, and some a layer.
MAX_COMPONENTS, MAX_LAYERS, MAX_BYTES = 10_000, 100, 2**20
# Classes of width for each octave.
CLASSES = (3, 4, 6, 8, 12, 16, 24, 48)
OFFSETS = (1.0, 0.5)
# Luma and two differences of colours, orthonormal: an error in them is the same error in RGB.
COLORS = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]]) / np.sqrt([[3], [2], [6]])
GAIN_STEP = 1 / 128
# A component may be longer than wide by 2^32: beyond it float32 does not hold the model.
_MAX_STRETCH_OCTAVES = 16


@dataclasses.dataclass(frozen=True)
class Steps:
    """How finely the numbers of a compact file are quantised.

    ``shape``: which of ``CLASSES``: how many classes of width, and steps of stretch, make an octave (a factor of 2).
    ``position``: p: cells of 2^(-p / 4) widths. ``weight``: q: weights are multiples of 2^(-q / 4) / width; ``chroma``:
    of 2^(chroma / 2) times that in the differences of colours.
    """

    shape: int = 2
    position: int = 14
    weight: int = 36
    chroma: int = 0

    @property
    def classes(self) -> int:
        return CLASSES[self.shape]

    @property
    def octave(self) -> float:
        """The step of a, b and c."""
        return 2 * math.log(2) / self.classes


@dataclasses.dataclass(frozen=True)
class Compact:
    """What a compact file holds. ``gain``: of the published common face, which the layers are added to; 0: none."""

    shape: tuple[int, int]
    channels: int | None
    steps: Steps
    layers: tuple[Layer, ...]
    offset: float = 1.0
    gain: int = 0

    @property
    def grid(self) -> Grid:
        return Grid(self.shape, self.steps.classes, self.steps.position)


def width_of(widths, steps: Steps) -> Float[np.ndarray, "..."]:
    """The widths of classes, in units of the longer side: 2, and less by 2^(1 / classes) from class to class."""
    return 2.0 ** (1 - np.asarray(widths) / steps.classes)


def weight_step(widths, steps: Steps, channels: int | None) -> Float[np.ndarray, "n c"]:
    """The steps (n, C) of the weights, in colour of those along ``COLORS``."""
    step = 2.0 ** (-steps.weight / 4) / width_of(widths, steps)
    chroma = 2.0 ** (steps.chroma / 2)
    return step[:, None] * np.array([1.0] if channels is None else [1.0, chroma, chroma])


def cells_of(widths: Int[np.ndarray, " n"], grid: Grid) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, " 2"]]:
    """How large cells are for components of the classes ``widths`` (n, 2), and where the first begins (2,); along both
    axes in units of the longer side."""
    classes, which = np.unique(widths, return_inverse=True)
    counts = np.array([grid.cells(int(width)) for width in classes])[which]
    return (np.array(grid.shape) / grid.longer + 2 * MARGIN) / counts, np.full(2, -MARGIN)


def to_model(compact: Compact) -> GmFace:
    """The model in a compact file: the components of its layers and, with a gain, of the published common face.

    Raises CompactFileError for components that are stretched too far.
    """
    steps, grid = compact.steps, compact.grid
    widths, cells, stretches, weights = (np.concatenate(parts) for parts in zip(*compact.layers, strict=True))
    if np.abs(stretches).max() > _MAX_STRETCH_OCTAVES * steps.classes:
        raise CompactFileError("is damaged: a component is stretched too far")
    sizes, first = cells_of(widths, grid)
    means = (first + (cells + 0.5) * sizes) * grid.longer / grid.shape
    b, c = steps.octave * stretches.T
    # A = exp [[a + b, c], [c, a - b]] as in gmjax.coordinates, exp(-a / 2) being the width.
    h = np.hypot(b, c)
    safe = np.where(h > 0, h, 1)
    # 1 + b / h and cosh(h) + b sinh(h) / h without cancellation for b < 0.
    sum_ = np.where(b < 0, c * c / (safe * (h + np.abs(b) + (h == 0))), 1 + b / safe)
    root = np.sqrt((np.exp(h) * sum_ + np.exp(-h) * (1 - b / safe)) / 2)
    chol = np.stack([root, np.sinh(h) / safe * c / root, 1 / root], axis=-1) / width_of(widths, steps)[:, None]
    chol *= np.array([compact.shape[0], compact.shape[1], compact.shape[1]]) / grid.longer
    scaled = weights * weight_step(widths, steps, compact.channels)
    scaled = scaled[:, 0] if compact.channels is None else scaled @ COLORS
    if compact.gain:
        base = published_common_face()
        of_base = compact.gain * GAIN_STEP * np.asarray(base.weights, float)
        of_base = of_base if compact.channels is None else np.repeat(of_base[:, None], 3, axis=1)
        scaled = np.concatenate([of_base, scaled])
        means = np.concatenate([base.means, means])
        chol = np.concatenate([base.precision_chol, chol])
    dtype = jnp.result_type(float)
    return GmFace(jnp.asarray(scaled, dtype), jnp.asarray(means, dtype), jnp.asarray(chol, dtype), compact.offset)


def classes_of(log_precision, compact: Compact) -> Int[np.ndarray, " n"]:
    """The nearest classes of width of the logarithmic precisions a (n,), in units of the longer side."""
    classes = np.round(np.asarray(log_precision) / compact.steps.octave).astype(int) + compact.steps.classes
    return np.clip(classes, 0, compact.grid.widths - 1)


def layer_of(shapes: Float[np.ndarray, "n 5"], weights: Float[np.ndarray, "n c"], compact: Compact) -> Layer:
    """The nearest integers of components (row, column, a, b, c) in units of the longer side."""
    widths = classes_of(shapes[:, 2], compact)
    sizes, first = cells_of(widths, compact.grid)
    counts = np.array([compact.grid.cells(int(width)) for width in widths])
    cells = np.clip(np.floor((shapes[:, :2] - first) / sizes), 0, counts - 1).astype(int)
    stretches = np.round(shapes[:, 3:] / compact.steps.octave).astype(int)
    steps = weight_step(widths, compact.steps, compact.channels)
    return Layer(widths, cells, stretches, np.round(weights / steps).astype(int))


def shapes_of(params: GmFace, shape: tuple[int, int]) -> Float[np.ndarray, "m 5"]:
    """(row, column, a, b, c) of each component, in units of the longer side of a picture of ``shape`` (H, W)."""
    sides = np.array(shape, float) / max(shape)
    chol = np.asarray(params.precision_chol, float) / sides[[0, 1, 1]]
    with jax.enable_x64(True):
        coordinates = to_coordinates(GmFace(params.weights, params.means, chol))
    return np.column_stack([np.asarray(params.means, float) * sides, np.asarray(coordinates.log_precision)])


def encode(compact: Compact) -> bytes:
    """The bytes of a compact file."""
    height, width = compact.shape
    steps = compact.steps
    known = OFFSETS.index(compact.offset)
    flags = (
        VERSION << 5 | (compact.channels is not None) << 4 | bool(compact.gain) << 3 | (height == width) << 2 | known
    )
    content = bytearray(MAGIC + bytes([flags]))
    content += _varint(height) + (_varint(width) if height != width else b"")
    content += (steps.shape << 13 | steps.position << 8 | steps.weight << 2 | steps.chroma).to_bytes(2, "big")
    content += bytes([compact.gain]) if compact.gain else b""
    for layer in compact.layers:
        payload = encode_layer(layer, compact.grid)
        content += _varint(len(payload)) + payload
    return bytes(content)


def decode(content: bytes) -> Compact:
    """The content of a compact file. Raises CompactFileError if it is damaged, truncated or of a newer version."""
    if len(content) > MAX_BYTES:
        raise CompactFileError(f"is damaged: a compact file has at most {MAX_BYTES} bytes")
    reader = _Bytes(content)
    if reader.take(2) != MAGIC:
        raise CompactFileError("is not a compact file: it does not begin with its magic number")
    flags = reader.take(1)[0]
    if flags >> 5 != VERSION:
        raise CompactFileError(f"has the format version {flags >> 5}, and this gmjax reads {VERSION}: upgrade gmjax")
    height = reader.varint()
    width = height if flags >> 2 & 1 else reader.varint()
    if not (0 < height <= MAX_SIDE and 0 < width <= MAX_SIDE) or flags & 3 >= len(OFFSETS):
        raise CompactFileError("is damaged: its size or its grid is impossible")
    packed = int.from_bytes(reader.take(2), "big")
    steps = Steps(packed >> 13, packed >> 8 & 31, packed >> 2 & 63, packed & 3)
    gain = reader.take(1)[0] if flags >> 3 & 1 else 0
    compact = Compact((height, width), 3 if flags >> 4 & 1 else None, steps, (), OFFSETS[flags & 3], gain)
    layers: list[Layer] = []
    left = MAX_COMPONENTS
    while not layers or not reader.at_end:
        if len(layers) == MAX_LAYERS:
            raise CompactFileError(f"is damaged: it has more than {MAX_LAYERS} layers")
        payload = reader.take(reader.varint())
        layers.append(decode_layer(payload, compact.grid, compact.channels or 1, left))
        left -= len(layers[-1].widths)
    return dataclasses.replace(compact, layers=tuple(layers))


class _Bytes:
    def __init__(self, content: bytes) -> None:
        self._content, self._at = content, 0

    @property
    def at_end(self) -> bool:
        return self._at == len(self._content)

    def take(self, count: int) -> bytes:
        taken = self._content[self._at : self._at + count]
        if len(taken) < count:
            raise CompactFileError("is truncated: it ends within its header or a layer")
        self._at += count
        return taken

    def varint(self) -> int:
        value = 0
        for shift in range(0, 28, 7):
            byte = self.take(1)[0]
            value |= (byte & 127) << shift
            if byte < 128:
                return value
        raise CompactFileError("is damaged: it has a length that is too large")


def _varint(value: int) -> bytes:
    groups = bytearray()
    while value > 127:
        groups.append(value & 127 | 128)
        value >>= 7
    return bytes([*groups, value])
