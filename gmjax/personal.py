"""One picture, one formula (paper, III-D); a personal face starts from the common face."""

import dataclasses
import math
import numbers
from collections.abc import Callable

from jaxtyping import Array

from gmjax.checks import checked_image, checked_key, checked_mask, explained_shardings
from gmjax.errors import ArgumentError, ArgumentTypeError
from gmjax.gmface import Model
from gmjax.solvers.adam import Loss
from gmjax.solvers.choose_components import fewest_components
from gmjax.solvers.config import FitConfig, resolved
from gmjax.solvers.fitting import FitResult, PreparedFit, fit_statistics, is_traced, stages_of, starting_model
from gmjax.statistics import one_image
from gmjax.types import Mask, Picture


def fit(
    image: Picture,
    init: Model | None = None,
    *,
    config: FitConfig = FitConfig(),
    key: Array | None = None,
    mask: Mask | None = None,
    loss: Loss | None = None,
    target_psnr: float | None = None,
) -> FitResult:
    """The formula of least MSE + lambda PAE (14) for ``image`` that the solver finds.

    image: (H, W) gray or (H, W, C), floating point in [0, 1]; fewer than 32 bits become float32.
    init: the model to start from; without it the start is ``config.start``, with ``key`` as its random key.
    mask: (H, W), the pixels that count (True and False), or their weights, of any scale.
    loss: a function of (picture, image) in place of MSE + lambda PAE, for solver="adam": for example
        ``lambda a, b: jnp.mean(jnp.abs(a - b))``. A new object in every call, as a new optimizer, compiles again.
    target_psnr: in dB; choose m itself, at most 10 % above the smallest that reaches it. The search begins at
        ``config.num_components``, and each m that it tries is a fit of its own, from ``config.start``.

    Pure: it works under ``jit`` (with ``config`` static), ``vmap``, ``pmap`` and ``shard_map``, and can be
    differentiated with respect to ``image``; memory then grows by one optimiser state a step. solver="lm" holds six
    arrays of m x pixels. Under tracing values are not checked, and there is no ``target_psnr``.

    Raises ArgumentError (a ValueError) or ArgumentTypeError (a TypeError) for an argument that cannot be right.
    """
    if target_psnr is not None:
        if init is not None or loss is not None:
            raise ArgumentError("target_psnr", "chooses the number of components itself: leave init and loss out")
        return fit_to_psnr(target_psnr, image, config=config, key=key, mask=mask)
    with explained_shardings():
        image, init, mask, config = _checked(image, init, config, key, mask, loss)
        return fit_statistics(one_image(image), init, mask, config, loss)


def prepare(
    image: Picture,
    init: Model | None = None,
    *,
    config: FitConfig,
    key: Array | None = None,
    mask: Mask | None = None,
) -> PreparedFit:
    """The same fit, to be run in chunks that can be reported, saved and resumed: the result has the same bits."""
    image, init, mask, config = _checked(image, init, config, key, mask)
    statistics = one_image(image)
    return PreparedFit(init, stages_of(init, statistics, mask, config), statistics, mask)


def _checked(image, init, config: FitConfig, key, mask=None, loss=None):
    if not isinstance(config, FitConfig):
        raise ArgumentTypeError("config", f"must be a FitConfig; got {type(config).__name__}")
    for name in ("batch_size", "epochs"):
        if getattr(config, name) is not None:
            raise ArgumentError(f"FitConfig.{name}", "is for fit_common: one picture has no minibatches")
    if loss is not None:
        if not callable(loss):
            raise ArgumentTypeError("loss", f"must be a function of (picture, image); got {loss!r}")
        if config.solver != "adam":
            raise ArgumentError("loss", 'is for solver="adam"; solver="lm" minimises squares')
        if config.pae_weight is not None or mask is not None:
            raise ArgumentError("loss", "takes the place of MSE + lambda PAE: leave pae_weight and mask out")
    if key is not None:
        checked_key(key, "the start")
    image = checked_image(image, channels=config.channels)
    mask = checked_mask(mask, image.shape, image.dtype)
    init = starting_model(init, image, config, key)
    return image, init, mask, resolved(config, init.gaussians_worth, offset=init.offset)


def fit_to_psnr(
    target_psnr: float, image: Picture, *, config: FitConfig, key=None, mask=None, report: Callable | None = None
) -> FitResult:
    """``fit`` with ``target_psnr``; ``report(m, psnr)`` is called for every m that is tried."""
    if isinstance(target_psnr, bool) or not isinstance(target_psnr, numbers.Real) or not math.isfinite(target_psnr):
        raise ArgumentError("target_psnr", f"must be a finite number of dB, not traced; got {target_psnr!r}")
    image = checked_image(image, channels=config.channels)
    if is_traced(image):
        raise ArgumentTypeError("target_psnr", "depends on values: it cannot be used under jit, vmap or grad")

    def fit_with(num_components: int) -> FitResult:
        result = fit(image, config=dataclasses.replace(config, num_components=num_components), key=key, mask=mask)
        if report is not None:
            report(num_components, float(result.info.psnr))
        return result

    most = max(1, image.size // (5 + math.prod(image.shape[2:])))
    return fewest_components(fit_with, target_psnr, config.num_components, most)
