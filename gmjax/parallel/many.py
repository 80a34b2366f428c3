"""Many pictures, one formula each (paper, III-D): ``pmap(vmap(fit))``, as many at once as memory allows."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from gmjax.checks import checked_image, checked_mask, checked_start
from gmjax.gmface import Model
from gmjax.parallel.devices import AXIS, local
from gmjax.personal import fit
from gmjax.solvers.config import FitConfig
from gmjax.solvers.stages import FitResult
from gmjax.types import Mask, Picture

_BYTES_A_DEVICE = 2**31
_ARRAYS_A_FIT = 2  # of m x pixels: a fit under vmap was measured to hold 0.6 of them, and 1.7 with "lm"


def fit_many(
    images: Iterable[Picture],
    init: Model | None = None,
    *,
    config: FitConfig = FitConfig(),
    key: Array | None = None,
    numbers: Iterable[int] | None = None,
    masks: Iterable[Mask] | None = None,
    devices: Sequence | None = None,
) -> Iterator[tuple[int, FitResult | Exception]]:
    """``gmjax.fit`` of each picture under ``pmap(vmap(...))``, all from ``init``: yields (number, result) of each.

    images: may be a generator: pictures of a shape are held until the devices are full (``pictures_at_once``). One
        that cannot be right yields its error as its result.
    key: picture number i, from 0 or as in ``numbers``, gets ``fold_in(key, i)``.
    masks: one for each picture, as in ``gmjax.fit``; ``itertools.repeat(mask)`` gives all the same one.
    """
    devices = local(devices)
    waiting: dict[tuple, list] = {}
    numbers = itertools.count() if numbers is None else numbers
    for number, image, mask in zip(numbers, images, itertools.repeat(None) if masks is None else masks, strict=False):
        try:
            image = checked_image(image, f"image {number}", channels=config.channels)
            mask = checked_mask(mask, image.shape, image.dtype)
            if init is not None:
                checked_start(init, image)
        except (TypeError, ValueError) as error:
            yield number, error
            continue
        group = waiting.setdefault((image.shape, image.dtype), [])
        group.append((number, np.asarray(image), None if mask is None else np.asarray(mask)))
        if len(group) == pictures_at_once(image.shape, init, config, devices):
            yield from _fit_group(group, init, config, key, devices)
            group.clear()
    for group in waiting.values():
        if group:
            yield from _fit_group(group, init, config, key, devices)


def _fit_group(group, init, config, key, devices):
    numbers = np.array([number for number, _, _ in group])
    # A batch that is not full is filled up with its last picture: its shape stays, and nothing is compiled again.
    size = pictures_at_once(group[0][1].shape, init, config, devices)
    places = np.minimum(np.arange(size), len(group) - 1).reshape(len(devices), -1)
    images = np.stack([image for _, image, _ in group])[places]
    masks = None if group[0][2] is None else np.stack([mask for _, _, mask in group])[places]
    results = _fit_pmapped(config, devices)((init, key), images=images, numbers=numbers[places], masks=masks)
    results = jax.tree.map(lambda leaf: np.asarray(leaf).reshape(size, *leaf.shape[2:]), results)
    for place, number in enumerate(numbers):
        yield int(number), jax.tree.map(lambda leaf, place=place: jnp.asarray(leaf[place]), results)


@lru_cache(maxsize=8)
def _fit_pmapped(config: FitConfig, devices):
    def fit_one(image, init, key, number, mask):
        return fit(image, init, config=config, key=None if key is None else jax.random.fold_in(key, number), mask=mask)

    def fit_each(shared, *, images, numbers, masks):
        init, key = shared
        return jax.vmap(fit_one, in_axes=(0, None, None, 0, 0))(images, init, key, numbers, masks)

    # Keywords are mapped. With in_axes for each, JAX 0.10 mixes them up where the arguments, some of them None, have as
    # many leaves as there are arguments.
    return jax.pmap(fit_each, axis_name=AXIS, in_axes=(None,), devices=devices)


def pictures_at_once(shape: tuple[int, ...], init: Model | None, config: FitConfig, devices: Sequence) -> int:
    """How many pictures of ``shape`` the ``devices`` take together: what fits in 2 GiB each, up to 64; 1 on a CPU."""
    if devices[0].platform == "cpu":
        return len(devices)
    num_components = config.num_components if init is None else init.gaussians_worth
    bytes_a_fit = _ARRAYS_A_FIT * 4 * num_components * int(np.prod(shape))
    return len(devices) * int(np.clip(_BYTES_A_DEVICE // bytes_a_fit, 1, 64))
