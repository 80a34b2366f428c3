"""One picture, one formula (paper, III-D); a personal face starts from the common face."""

import dataclasses
import math
import numbers
from collections.abc import Callable

import jax
from jaxtyping import Array

from gmjax.checks import checked_image, checked_mask
from gmjax.gmface import GmFace
from gmjax.losses import one_image
from gmjax.solvers.choose_components import fewest_components
from gmjax.solvers.config import FitConfig
from gmjax.solvers.fitting import FitResult, fit_statistics, starting_model
from gmjax.types import Mask, Picture

Report = Callable[[int, float], None]


def fit(
    image: Picture,
    init: GmFace | None = None,
    *,
    config: FitConfig = FitConfig(),
    key: Array | None = None,
    mask: Mask | None = None,
    target_psnr: float | None = None,
) -> FitResult:
    """Write ``image`` as a formula: the sum of Gaussians of least MSE + lambda PAE that the solver finds.

    ``image``: (H, W) gray or (H, W, C), floating point in [0, 1]. ``init``: the model to start from; without it the
    start is ``config.start``, and ``key`` its random key. ``mask``: (H, W), the pixels that count, or their weights.

    ``target_psnr``, in dB: choose m itself, at most 10 % above the smallest that reaches it; the search begins at
    ``config.num_components``, and each m it tries is a fit of its own, from ``config.start``.

    Pure: it can be called under ``jit`` (with ``config`` static), ``vmap``, ``pmap`` and ``shard_map``, and its result
    can be differentiated with respect to ``image``; memory then grows by one optimiser state a step, and with the
    solver "lm" holds six arrays of m x pixels.

    Raises ValueError or TypeError for a picture, mask or start that cannot be right. Under tracing only shapes and
    types can be checked, not values, and there is no ``target_psnr``: m would depend on values.
    """
    if target_psnr is not None:
        if init is not None:
            raise ValueError("target_psnr chooses the number of components, which init would fix: leave one out")
        return fit_to_psnr(target_psnr, image, config=config, key=key, mask=mask)
    image = checked_image(image)
    mask = checked_mask(mask, image.shape)
    init = starting_model(init, image, config, key)
    return fit_statistics(one_image(image), init, mask, config.settled(init.num_components))


def fit_to_psnr(
    target_psnr: float, image: Picture, *, config: FitConfig, key=None, mask=None, report: Report | None = None
) -> FitResult:
    """``fit`` with ``target_psnr``; ``report(m, psnr)`` hears of every m that is tried."""
    if isinstance(target_psnr, jax.core.Tracer):
        raise TypeError("target_psnr must be a number, not one that is being traced: it decides how much is computed")
    if isinstance(target_psnr, bool) or not isinstance(target_psnr, numbers.Real) or not math.isfinite(target_psnr):
        raise ValueError(f"target_psnr must be a finite number of dB; got {target_psnr!r}")
    image = checked_image(image)
    if isinstance(image, jax.core.Tracer):
        raise TypeError("target_psnr chooses m by the picture's values: it cannot be used under jit, vmap or grad")

    def fit_with(num_components: int) -> FitResult:
        result = fit(image, config=dataclasses.replace(config, num_components=num_components), key=key, mask=mask)
        if report is not None:
            report(num_components, float(result.info.psnr))
        return result

    _, _, *channels = image.shape
    most = max(1, image.size // (5 + math.prod(channels)))
    return fewest_components(fit_with, target_psnr, config.num_components, most)
