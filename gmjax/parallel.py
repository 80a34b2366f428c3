"""The same fits on all local devices, under ``pmap``: the only room that knows devices.

- statistics: the pictures are shared out, and their statistics merged by psum, pmin and pmax;
- common face from statistics: each device takes some rows of the picture (solver "lm": one device does it all);
- common face from minibatches: each device takes some of each batch's pictures;
- personal faces: each device takes some of the pictures, ``pmap(vmap(fit))``.

Gradients are summed over the devices, so 1, 2 or 8 of them take the same steps, up to the rounding of the sums. What
does not divide is padded with pixels or pictures that do not count.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from gmjax import common
from gmjax.checks import checked_image, checked_images, checked_start
from gmjax.config import FitConfig
from gmjax.fitting import (
    FitResult,
    finish,
    fit_statistics,
    free_value_and_grad,
    optimizer_of,
    starting_model,
    statistics_objective,
)
from gmjax.gmface import GmFace, pixel_axes
from gmjax.losses import ImageStatistics
from gmjax.personal import fit
from gmjax.solvers import adam
from gmjax.solvers.unconstrained import to_unconstrained
from gmjax.types import Picture, Pictures

AXIS = "devices"
Report = Callable[[int, int, float], None]

_PICTURES_A_PASS = 256
_REPORTS_A_RUN = 50
_BYTES_A_DEVICE = 2**31
# Of the size m x pixels: a fit under vmap was measured to hold 0.6, and 1.7 with "lm".
_ARRAYS_A_FIT = 2


def image_statistics(images: Pictures, *, devices: Sequence | None = None) -> ImageStatistics:
    """``gmjax.image_statistics`` of any number of pictures, in bounded memory (``np.memmap`` stays on disk)."""
    devices = _devices(devices)
    total = None
    for start in range(0, len(images), _PICTURES_A_PASS * len(devices)):
        part = np.asarray(checked_images(images[start : start + _PICTURES_A_PASS * len(devices)]))
        shares, valid = shares_of(part, len(devices))
        statistics = _statistics_pass(devices)(shares, valid)
        total = statistics if total is None else total + statistics
    if total is None:
        raise ValueError("images must hold at least one picture")
    return total


def fit_common(
    images_or_statistics: Pictures | ImageStatistics,
    init: GmFace | None = None,
    *,
    config: FitConfig = FitConfig(),
    key: Array | None = None,
    devices: Sequence | None = None,
    report: Report | None = None,
) -> FitResult:
    """``gmjax.fit_common`` on several devices; ``report(step, steps, loss)`` hears how it goes about fifty times."""
    devices = _devices(devices)
    if isinstance(images_or_statistics, ImageStatistics):
        images, statistics = None, images_or_statistics
    else:
        images, statistics = images_or_statistics, image_statistics(images_or_statistics, devices=devices)
    init = starting_model(init, statistics.mean, config, key)
    config = config.settled(init.num_components, collection=True)
    if config.solver == "lm":
        result = fit_statistics(statistics, init, None, config)
        if report is not None:
            report(config.settled_steps, config.settled_steps, float(result.info.loss[-1]))
        return result
    if config.batch_size is None:
        state, history = _descend_on_rows(statistics, init, config, devices, report)
    elif images is None:
        raise ValueError("FitConfig.batch_size needs the pictures themselves, not their statistics")
    else:
        key = jax.random.key(0) if key is None else key
        state, history = _descend_on_minibatches(images, statistics, init, key, config, devices, report)
    return finish(state, statistics, None, history, config)


def fit_many(
    images: Iterable[Picture],
    init: GmFace | None = None,
    *,
    config: FitConfig = FitConfig(),
    key: Array | None = None,
    devices: Sequence | None = None,
) -> Iterator[tuple[int, FitResult | Exception]]:
    """``gmjax.fit`` of each picture, all from ``init``: yields (its number, its result) as they are done.

    ``images`` may be a generator: of each shape no more are held than the devices take at once, which is as many as fit
    into 2 GiB a device, at most 64, and one on a CPU. A picture that cannot be right yields its error in place of a
    result and costs only itself. With a ``key``, picture number i gets ``fold_in(key, i)``.
    """
    devices = _devices(devices)
    waiting: dict[tuple, list] = {}
    for number, image in enumerate(images):
        try:
            image = checked_image(image, f"image {number}")
            if init is not None:
                checked_start(init, image)
        except (TypeError, ValueError) as error:
            yield number, error
            continue
        group = waiting.setdefault((image.shape, image.dtype), [])
        group.append((number, np.asarray(image)))
        if len(group) == len(devices) * _pictures_a_device(image.shape, init, config, devices):
            yield from _fit_group(group, init, config, key, devices)
            group.clear()
    for group in waiting.values():
        if group:
            yield from _fit_group(group, init, config, key, devices)


def _fit_group(group, init, config, key, devices):
    numbers = np.array([number for number, _ in group])
    # A batch that is not full is filled up with its last picture: its shape stays, and nothing is compiled again.
    size = len(devices) * _pictures_a_device(group[0][1].shape, init, config, devices)
    places = np.minimum(np.arange(size), len(group) - 1).reshape(len(devices), -1)
    images = np.stack([image for _, image in group])[places]
    results = _fit_pmapped(config, devices)(images, init, key, numbers[places])
    results = jax.tree.map(lambda leaf: np.asarray(leaf).reshape(size, *leaf.shape[2:]), results)
    for place, number in enumerate(numbers):
        yield int(number), jax.tree.map(lambda leaf, place=place: jnp.asarray(leaf[place]), results)


@lru_cache(maxsize=8)
def _fit_pmapped(config: FitConfig, devices):
    def fit_one(image, init, key, number):
        return fit(image, init, config=config, key=None if key is None else jax.random.fold_in(key, number))

    vmapped = jax.vmap(fit_one, in_axes=(0, None, None, 0))
    return jax.pmap(vmapped, axis_name=AXIS, in_axes=(0, None, None, 0), devices=devices)


def _pictures_a_device(shape, init, config, devices) -> int:
    if devices[0].platform == "cpu":
        return 1
    num_components = config.num_components if init is None else init.num_components
    bytes_a_fit = _ARRAYS_A_FIT * 4 * num_components * int(np.prod(shape))
    return int(np.clip(_BYTES_A_DEVICE // bytes_a_fit, 1, 64))


def _descend_on_rows(statistics, init, config, devices, report):
    shares, columns = row_shares(statistics, config, len(devices))
    state = adam.init(to_unconstrained(init), optimizer_of(config, config.settled_steps))
    # Cut the same way with and without a report, for the same bits.
    length = math.ceil(config.settled_steps / _REPORTS_A_RUN)
    history: list[np.ndarray] = []
    for start in range(0, config.settled_steps, length):
        steps = min(length, config.settled_steps - start)
        state, part = _row_steps(config, steps, devices)(state, shares, columns)
        history.append(np.asarray(part))
        if report is not None:
            report(start + steps, config.settled_steps, float(part[-1]))
    return state, jnp.asarray(np.concatenate(history))


def row_shares(statistics: ImageStatistics, config: FitConfig, count: int):
    """((statistics, mask, rows), columns): some rows of the picture for each of ``count`` devices, and all columns."""
    height = len(statistics.mean)
    columns = pixel_axes(statistics.shape[1:2], config.offset, statistics.mean.dtype)[0]
    # Evenly spaced on through the padding.
    rows = (np.arange(-(-height // count) * count) + config.offset) / height
    rows = rows.astype(statistics.mean.dtype).reshape(count, -1)
    mask = np.ones(statistics.shape[:2], statistics.mean.dtype)

    def share(part):
        return shares_of(np.asarray(part), count)[0]

    shared = ImageStatistics(
        mean=share(statistics.mean),
        mean_square=share(statistics.mean_square),
        minimum=share(statistics.minimum),
        maximum=share(statistics.maximum),
        count=np.full(count, statistics.count),
    )
    return (shared, share(mask), rows), columns


def rows_objective(shares, columns, config: FitConfig):
    """One device's share of the loss."""
    statistics, mask, rows = shares
    return statistics_objective(statistics, mask, config, axes=(rows, columns), axis_name=AXIS)


@lru_cache(maxsize=8)
def _row_steps(config: FitConfig, steps: int, devices):
    optimizer = optimizer_of(config, config.settled_steps)

    def run(state, shares, columns):
        value_and_grad = free_value_and_grad(rows_objective(shares, columns, config), axis_name=AXIS)
        return adam.run(value_and_grad, optimizer, state, steps)

    return jax.pmap(run, axis_name=AXIS, in_axes=(None, 0, None), out_axes=None, devices=devices)


def _descend_on_minibatches(images, statistics, init, key, config, devices, report):
    epochs, batches = common.epochs_of(config, len(images)), common.batches_of(config, len(images))
    history: list[np.ndarray] = []
    state = minibatch_start(init, len(images), config)
    for after, losses in minibatch_epochs(images, statistics, state, config, key=key, devices=devices):
        state = after
        history.append(np.asarray(losses))
        if report is not None:
            report(len(history) * batches, epochs * batches, float(losses[-1]))
    return state, jnp.asarray(np.concatenate(history))


def minibatch_start(init: GmFace, count: int, config: FitConfig) -> adam.State:
    """Where minibatch training on ``count`` pictures begins."""
    return adam.init(
        to_unconstrained(init), optimizer_of(config, common.epochs_of(config, count) * common.batches_of(config, count))
    )


def minibatch_epochs(
    images: Pictures,
    statistics: ImageStatistics,
    state: adam.State,
    config: FitConfig,
    *,
    key: Array,
    first: int = 0,
    last: int | None = None,
    devices: Sequence | None = None,
) -> Iterator[tuple[adam.State, Array]]:
    """The epochs ``first`` up to ``last`` (all) of a minibatch run: yields (state, the loss of each step) after each.

    ``state`` is that before epoch ``first``, so a run goes on from any state it came to as if it had never stopped.
    ``config`` has its lambda settled.
    """
    devices, images = _devices(devices), np.asarray(images)
    epochs, batches = common.epochs_of(config, len(images)), common.batches_of(config, len(images))
    for number in range(first, epochs if last is None else last):
        order, valid = common.shuffled_batches(jax.random.fold_in(key, number), len(images), config)
        # (batches, batch_size) to (devices, batches, batch_size / devices)
        order = np.moveaxis(shares_of(np.asarray(order).T, len(devices))[0], 1, 2)
        valid = np.moveaxis(shares_of(np.asarray(valid, images.dtype).T, len(devices))[0], 1, 2)
        state, losses = _epoch(config, epochs * batches, devices)(state, (images[order], valid), statistics)
        yield state, losses


@lru_cache(maxsize=8)
def _epoch(config: FitConfig, steps: int, devices):
    optimizer = optimizer_of(config, steps)

    def run(state, batches, statistics):
        return common.epoch(state, batches, statistics, config, optimizer, axis_name=AXIS)

    return jax.pmap(run, axis_name=AXIS, in_axes=(None, 0, None), out_axes=None, devices=devices)


@lru_cache(maxsize=8)
def _statistics_pass(devices):
    def run(images, valid):
        weights = valid.reshape(valid.shape + (1,) * (images.ndim - 1))
        count = jax.lax.psum(jnp.sum(valid), AXIS)
        return ImageStatistics(
            mean=jax.lax.psum(jnp.sum(weights * images, axis=0), AXIS) / count,
            mean_square=jax.lax.psum(jnp.sum(weights * jnp.square(images), axis=0), AXIS) / count,
            minimum=jax.lax.pmin(jnp.min(jnp.where(weights > 0, images, jnp.inf), axis=0), AXIS),
            maximum=jax.lax.pmax(jnp.max(jnp.where(weights > 0, images, -jnp.inf), axis=0), AXIS),
            count=count.astype(int),
        )

    return jax.pmap(run, axis_name=AXIS, out_axes=None, devices=devices)


def shares_of(array: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """``array`` (n, ...) as (count, ceil(n / count), ...), zeros behind; and 1 for what is real, 0 for what is not."""
    share = -(-len(array) // count)
    padding = share * count - len(array)
    padded = np.pad(array, [(0, padding)] + [(0, 0)] * (array.ndim - 1))
    valid = np.pad(np.ones(len(array), np.float32), (0, padding))
    return padded.reshape(count, share, *array.shape[1:]), valid.reshape(count, share)


def _devices(devices) -> tuple:
    return tuple(jax.local_devices() if devices is None else devices)
