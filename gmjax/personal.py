"""One picture, one formula (paper, III-D); a personal face starts from the common face."""

from jaxtyping import Array

from gmjax.checks import checked_image, checked_mask
from gmjax.config import FitConfig
from gmjax.fitting import FitResult, fit_statistics, starting_model
from gmjax.gmface import GmFace
from gmjax.losses import one_image
from gmjax.types import Mask, Picture

PAE_WEIGHT = 1e-3


def fit(
    image: Picture,
    init: GmFace | None = None,
    *,
    config: FitConfig = FitConfig(),
    key: Array | None = None,
    mask: Mask | None = None,
) -> FitResult:
    """Write ``image`` as a formula: the sum of Gaussians of least MSE + lambda PAE that the solver finds.

    ``image``: (H, W) gray or (H, W, C), floating point in [0, 1]. ``init``: the model to start from; without it the
    start is ``config.start``, and ``key`` its random key. ``mask``: (H, W), the pixels that count, or their weights.

    Pure: it can be called under ``jit`` (with ``config`` static), ``vmap``, ``pmap`` and ``shard_map``, and its result
    can be differentiated with respect to ``image``; memory then grows by one optimiser state a step.

    Raises ValueError or TypeError for a picture, mask or start that cannot be right. Under tracing only shapes and
    types can be checked, not values.
    """
    config = config.with_pae_weight(PAE_WEIGHT)
    image = checked_image(image)
    mask = checked_mask(mask, image.shape)
    return fit_statistics(one_image(image), starting_model(init, image, config, key), mask, config)
