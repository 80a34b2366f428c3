"""Compact files: a picture as a formula of a few hundred bytes, or a model quantised. docs/format.md is the format."""

import dataclasses
import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np

from gmjax.checks import checked_image
from gmjax.errors import ArgumentError
from gmjax.files import gmf
from gmjax.files.gmf import COLORS, GAIN_STEP, MAX_COMPONENTS, Compact, Steps, layer_of
from gmjax.files.gmf_layers import Layer, encode_layer
from gmjax.gmface import GmFace, render, require_gaussians
from gmjax.losses import psnr as psnr_of
from gmjax.published import published_common_face
from gmjax.solvers.gauss_newton import (
    Components,
    Target,
    components_of,
    descend,
    limited,
    squared_error,
    target_of,
    with_best_weights,
)
from gmjax.solvers.growth import grow, improve, prune
from gmjax.solvers.quantisation import Quantised, quantise
from gmjax.types import Picture

FEWEST_BYTES, _MAX_PSNR = 24, 100
# What a component takes, and the PSNR that twice the bytes bring, roughly: where searches begin.
_BYTES_PER_COMPONENT, _DECIBELS_PER_DOUBLING = 3.3, 2.6
_MOST_COMPONENTS = 1000
# Steps of least error at a given number of bytes; and some that lose next to nothing, for a given model.
_STEPS, _FINE_STEPS = Steps(shape=1, position=14, weight=37), Steps(shape=3, position=18, weight=41)
# Where the error is small, the weights have finer steps, which alone would add this part of the error; the finest.
_WEIGHT_ERROR, _FINEST_WEIGHT = 0.1, 45
# Each number of steps of descent between two kinds of numbers gives another rounding; the best is taken.
_SETTLE, _SETTLE_MODEL, _SETTLED = (2, 3, 5), (2, 5, 10), 8
# Cycles of growth, at most as much work as those of 80 components at 120 x 120; and where compensation takes too long.
_CYCLES, _CYCLE, _MOST = 8, 80 * 80 * 120 * 120, 400 * 400 * 256 * 256
# A search for a PSNR: the cycles of its trials, how close it ends, and the dB that twice the bytes can bring.
_PSNR_TRIALS, _CLOSE, _SLOPES = (1, 1, 1, _CYCLES, _CYCLES, _CYCLES), 0.15, (1.0, 20.0)


@dataclasses.dataclass(frozen=True)
class Encoded:
    """The bytes of a compact file, the model that they decode to, and its PSNR in dB to the picture.

    ``ends``: where each layer ends; so many of the first bytes are a file too.
    """

    content: bytes
    model: GmFace
    psnr: float
    ends: tuple[int, ...]


def encode(
    picture: Picture,
    init: GmFace | None = None,
    *,
    max_bytes: int | Sequence[int] | None = None,
    psnr: float | None = None,
    base: bool = False,
    offset: float = 1.0,
    report: Callable[[], object] = lambda: None,
) -> Encoded:
    """The compact file nearest to ``picture`` (H, W) or (H, W, 3), in squared error, that is found.

    init: a model to start from. Without ``max_bytes`` and ``psnr`` it keeps its components, finely quantised.
    max_bytes: the most bytes of the file; or, ascending, of each of its layers' ends: prefixes that are files too.
    psnr: in dB; the fewest bytes, within some percent, that reach it.
    base: add to the published common face, which decoders know: for faces in the paper's crop.
    offset: of the pixel grid, 1 or 0.5; ``init`` has its own.
    report: called after each part of the work.

    Deterministic. Raises ArgumentError.
    """
    if init is not None:
        require_gaussians(init, "init")
    picture = np.asarray(checked_image(picture), np.float32)
    if picture.ndim == 3 and picture.shape[2] != 3:
        raise ArgumentError("picture", f"must be gray (H, W) or RGB (H, W, 3); got {picture.shape}")
    offset = offset if init is None else init.offset
    if offset not in gmf.OFFSETS:
        raise ArgumentError("offset", f"must be 1 or 0.5 in a compact file; got {offset:g}")
    require_possible_size(max_bytes, psnr)
    steps = _FINE_STEPS if max_bytes is None and psnr is None else _STEPS
    compact = Compact(picture.shape[:2], None if picture.ndim == 2 else 3, steps, (), offset)
    if base:
        compact = dataclasses.replace(compact, gain=_gain(picture))
    if psnr is not None:
        return _to_psnr(picture, compact, init, psnr, report)
    if max_bytes is None:
        if init is None:
            raise ArgumentError("max_bytes", "or psnr is needed where there is no model to quantise")
        return _encoded(dataclasses.replace(compact, layers=_quantised(picture, compact, init)), picture)
    return _within(picture, compact, init, max_bytes, report)


def require_possible_size(max_bytes: int | Sequence[int] | None, psnr: float | None) -> None:
    """Raises ArgumentError for sizes or a PSNR of ``encode`` that no compact file can have."""
    if max_bytes is not None and psnr is not None:
        raise ArgumentError("max_bytes", "and psnr exclude each other: give one of them")
    if psnr is not None and not 0 < psnr < _MAX_PSNR:
        raise ArgumentError("psnr", f"must be above 0 and below {_MAX_PSNR} dB; got {psnr:g}")
    if max_bytes is None:
        return
    sizes = [max_bytes] if isinstance(max_bytes, int) else list(max_bytes)
    got = f"got {' '.join(map(str, sizes)) or 'none'}"
    if len(sizes) == 1 and sizes[0] < FEWEST_BYTES:
        raise ArgumentError("max_bytes", f"must be at least {FEWEST_BYTES}; {got}")
    if not sizes or any(after - before < FEWEST_BYTES for before, after in itertools.pairwise((0, *sizes))):
        raise ArgumentError("max_bytes", f"must rise by at least {FEWEST_BYTES} from layer to layer; {got}")
    if sizes[-1] > gmf.MAX_BYTES or len(sizes) > gmf.MAX_LAYERS:
        raise ArgumentError("max_bytes", f"allows {gmf.MAX_BYTES} bytes and {gmf.MAX_LAYERS} layers; {got}")


def _within(picture, compact: Compact, init, max_bytes, report, cycles: int = _CYCLES) -> Encoded:
    for budget in [max_bytes] if isinstance(max_bytes, int) else max_bytes:
        target, left = _target(picture, compact), budget - len(gmf.encode(compact)) - 2
        components = _fitted(target, left, None if compact.layers else init, report, cycles)
        if not compact.layers:
            compact = dataclasses.replace(compact, steps=_steps(components, target))
        layer = _best_layer(components, target, compact, left, report)
        compact = dataclasses.replace(compact, layers=(*compact.layers, layer))
    return _encoded(compact, picture)


def _to_psnr(picture, compact: Compact, init, psnr: float, report) -> Encoded:
    """Secant steps in log bytes, first with few cycles of growth; the smallest file of the others that reaches it."""
    most = _MOST_COMPONENTS * _BYTES_PER_COMPONENT
    budget, tried, slope, before = 200.0, [], _DECIBELS_PER_DOUBLING, None
    for cycles in _PSNR_TRIALS:
        found = _within(picture, compact, init, round(min(max(budget, FEWEST_BYTES), most)), report, cycles)
        tried += [found] if cycles == _CYCLES else []
        if cycles == _CYCLES and psnr <= found.psnr < psnr + _CLOSE:
            break
        doublings = math.log2(len(found.content))
        if before is not None and abs(doublings - before[0]) > 0.1:
            slope = float(np.clip((found.psnr - before[1]) / (doublings - before[0]), *_SLOPES))
        before = doublings, found.psnr
        budget = 2 ** (doublings + (psnr + _CLOSE / 2 - found.psnr) / slope)
    reached = [found for found in tried if found.psnr >= psnr]
    if not reached:
        best = max(tried, key=lambda found: found.psnr)
        problem = f"of {psnr:g} dB is not reached: {best.psnr:.1f} dB in {len(best.content)} bytes is the best found"
        raise ArgumentError("psnr", f"{problem}; give max_bytes, or a model with more components to quantise")
    return min(reached, key=lambda found: len(found.content))


def _steps(components: Components, target: Target) -> Steps:
    """``_STEPS``, with those of the weights as fine as the error of ``components`` asks for."""
    # A step of 2^(-q / 4) / width in each weight adds m pi / 24 2^(-q / 2) to the squared error of a square picture.
    most = _WEIGHT_ERROR * max(squared_error(components, target), 1e-9)
    weight = round(2 * math.log2(len(components) * math.pi / 24 / most))
    return dataclasses.replace(_STEPS, weight=min(max(weight, _STEPS.weight), _FINEST_WEIGHT))


def _best_layer(components: Components, target: Target, compact: Compact, most: int, report) -> Layer:
    """The layer of at most ``most`` bytes, of as many of ``components`` as fit."""
    size = 0
    if not _is_cheap(len(components), target):
        # Without compensation, rounding takes about as many bytes.
        size = len(encode_layer(layer_of(components.shapes, components.weights, compact), compact.grid))
    while True:
        if size > most and len(components) > 1:
            fewer = max(1, len(components) - max(1, round((size - most) * len(components) / size)))
            components = descend(prune(components, target, fewer), target, _SETTLED)
        found = [(len(encode_layer(q.layer, compact.grid)), q) for q in _roundings(components, target, compact, most)]
        report()
        if fitting := [q for size, q in found if size <= most]:
            return min(fitting, key=lambda q: q.error).layer
        if len(components) == 1:
            raise ArgumentError("max_bytes", f"leaves {most} bytes for a layer, too few for one component: give more")
        size = min(size for size, _ in found)


def _roundings(components: Components, target: Target, compact: Compact, most: int) -> list[Quantised]:
    cheap = _is_cheap(len(components), target)
    slope = math.log(10) / 10 * _DECIBELS_PER_DOUBLING / math.log(2) / most / 8
    price = squared_error(components, target) * slope
    return [quantise(components, target, compact, settle=n, price=price) for n in (_SETTLE if cheap else _SETTLE[:1])]


def _fitted(target: Target, most: int, init: GmFace | None, report, cycles: int) -> Components:
    """A few components more than ``most`` bytes hold."""
    as_many_numbers = target.picture.size // (5 + target.channels)
    m = max(1, min(round(1.05 * (most - 3) / _BYTES_PER_COMPONENT), as_many_numbers, _MOST_COMPONENTS))
    if init is None:
        components = grow(target, m)
    else:
        components = _in_colors(components_of(init, target.shape))
        components = prune(components, target, m) if len(components) > m else grow(target, m, components)
    report()
    return improve(components, target, min(cycles, int(_CYCLES * _CYCLE / _work(m, target))), report)


def _quantised(picture, compact: Compact, init: GmFace) -> tuple[Layer, ...]:
    """The layer of all components of ``init``."""
    components = _in_colors(components_of(init, picture.shape[:2]))
    target = _target(picture, compact)
    if len(components) > MAX_COMPONENTS:
        raise ArgumentError("init", f"has {len(components)} components; a compact file holds at most {MAX_COMPONENTS}")
    cheap = _is_cheap(len(components), target)
    near = limited(components, target)
    if not np.allclose(near.shapes, components.shapes):
        # What a file cannot hold as it is, long bars and components far outside, the others make up for.
        components = with_best_weights(near.shapes, target)
        if cheap:
            components = improve(components, target, _CYCLES // 2)
    if _work(len(components), target) > _MOST:
        return (layer_of(components.shapes, components.weights, compact),)
    found = [quantise(components, target, compact, settle=n) for n in (_SETTLE_MODEL if cheap else _SETTLE[:1])]
    return (min(found, key=lambda q: q.error).layer,)


def _encoded(compact: Compact, picture) -> Encoded:
    content = gmf.encode(compact)
    model = gmf.to_model(gmf.decode(content))
    prefixes = [dataclasses.replace(compact, layers=compact.layers[: n + 1]) for n in range(len(compact.layers))]
    ends = tuple(len(gmf.encode(prefix)) for prefix in prefixes)
    return Encoded(content, model, float(psnr_of(render(model, compact.shape), picture)), ends)


def _target(picture, compact: Compact) -> Target:
    """What the layers and the base of ``compact`` leave of ``picture``."""
    left = picture
    if compact.layers:
        left = picture - np.asarray(render(gmf.to_model(compact), compact.shape))
    elif compact.gain:
        of_base = compact.gain * GAIN_STEP * np.asarray(render(published_common_face(), compact.shape))
        left = picture - (of_base if picture.ndim == 2 else of_base[..., None])
    return target_of(left if left.ndim == 2 else left @ COLORS.T, compact.offset)


def _in_colors(components: Components) -> Components:
    weights = components.weights
    return Components(components.shapes, weights @ COLORS.T if weights.shape[1] == 3 else weights)


def _gain(picture) -> int:
    """The factor, in steps, at which the published common face is nearest to ``picture`` up to a constant."""
    base = np.asarray(render(published_common_face(), picture.shape[:2]), float)
    gray = picture if picture.ndim == 2 else picture.mean(axis=2)
    slope = np.cov(base.ravel(), gray.ravel())[0, 1] / base.var()
    return int(np.clip(round(slope / GAIN_STEP), 1, 255))


def _is_cheap(m: int, target: Target) -> bool:
    return _work(m, target) <= _CYCLE


def _work(m: int, target: Target) -> int:
    return m * m * math.prod(target.shape)
