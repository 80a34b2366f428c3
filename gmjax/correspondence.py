"""Models whose components correspond by construction: one geometry for many pictures, and a symmetric common face.

Fits that stay near one common face (``FitConfig.stay``) correspond as well. ``space.py`` computes with all of them.
"""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gmjax.checks import checked_images, require_collection
from gmjax.errors import ArgumentError
from gmjax.gmface import GmFace, require_gaussians
from gmjax.losses import mse
from gmjax.personal import fit
from gmjax.profiles import PROFILES
from gmjax.solvers.config import FitConfig, resolved
from gmjax.solvers.fitting import fit_statistics, starting_model
from gmjax.solvers.starts import solve_weights
from gmjax.space import middle_of, mirror
from gmjax.statistics import ImageStatistics, image_statistics, one_image
from gmjax.types import Pictures

# So many of the principal pictures decide where the components lie.
PRINCIPAL_PICTURES = 40
TIED_STEPS = 2000


def fit_geometry(
    images: Pictures,
    init: GmFace | None = None,
    *,
    config: FitConfig = FitConfig(solver="lm"),
    key: Array | None = None,
) -> GmFace:
    """One geometry (means and shapes) for a whole collection (N, H, W) or (N, H, W, C): the model of its average.

    It is fitted to a picture whose channels are the average and the ``PRINCIPAL_PICTURES`` strongest principal
    components, each as strong as its standard deviation. The error of this fit is the mean error of ``project``,
    without the weaker components. ``init``, ``config``, ``key`` and errors: as in ``fit_common``, without minibatches.
    """
    require_collection(images)
    images = checked_images(images, channels=config.channels)
    channels = images.shape[3:]
    average, principal = _principal_pictures(images, min(PRINCIPAL_PICTURES, len(images) - 1))
    stacked = jnp.concatenate([average[None], principal])
    picture = jnp.moveaxis(stacked.reshape(len(stacked), *images.shape[1:3], -1), 0, 2).reshape(*images.shape[1:3], -1)
    if config.profile not in (None, PROFILES["gaussian"]):
        raise ArgumentError("FitConfig.profile", "must be left out: one geometry is for Gaussians only")
    if init is not None:
        require_gaussians(init, "init")
        init = solve_weights(init.means, init.precision_chol, picture, offset=init.offset)
    init = starting_model(init, picture, config, key)
    params = fit_statistics(one_image(picture), init, None, resolved(config, init.gaussians_worth)).params
    weights = params.weights.reshape(params.num_components, len(stacked), *channels)[:, 0]
    return dataclasses.replace(params, weights=weights)


@partial(jax.jit, static_argnames="count")
def _principal_pictures(images, count: int):
    """The average of ``images`` and their ``count`` principal components, times the standard deviation along each."""
    average = jnp.mean(images, axis=0)
    rest = (images - average[None]).reshape(len(images), -1)
    _, vectors = jnp.linalg.eigh(jnp.matmul(rest, rest.T, precision="highest"))
    strongest = vectors[:, ::-1][:, :count]
    principal = jnp.matmul(strongest.T, rest, precision="highest") / jnp.sqrt(jnp.asarray(len(images), rest.dtype))
    return average, principal.reshape(-1, *images.shape[1:])


def fit_symmetric(
    images_or_statistics: Pictures | ImageStatistics, *, config: FitConfig = FitConfig(solver="lm")
) -> GmFace:
    """The common face that is its own mirror image: component i + m / 2 is the mirror image of component i.

    Half of the components is fitted to the left half of the average, then all of them to the whole of it, by Adam on
    the MSE, with mirror images tied. ``config``: m (an even number) and the grid; steps are those of the first fit.
    What corresponds to such a face can be mirrored and symmetrised exactly (``space.symmetrise``).
    """
    if config.num_components % 2:
        raise ArgumentError("FitConfig.num_components", f"must be even: mirror pairs; got {config.num_components}")
    if not isinstance(images_or_statistics, ImageStatistics):
        require_collection(images_or_statistics)
        images_or_statistics = image_statistics(checked_images(images_or_statistics, channels=config.channels))
    average = images_or_statistics.mean
    average = 0.5 * (average + average[:, ::-1])
    width = average.shape[1]
    left = np.broadcast_to(np.clip(width / 2 - np.arange(width), 0, 1), average.shape[:2])
    config = dataclasses.replace(config, num_components=config.num_components // 2)
    half = fit(average, config=config, mask=left).params
    tied = FitConfig(steps=TIED_STEPS, channels=config.channels)
    half = fit(average, half, config=tied, loss=_mse_with_mirror_image).params
    other = mirror(half, middle_of(half, width))
    return jax.tree.map(lambda a, b: jnp.concatenate([a, b]), half, other)


def _mse_with_mirror_image(picture, average):
    return mse(picture + picture[:, ::-1], average)


def project(images: Pictures, geometry: GmFace) -> GmFace:
    """Each picture (N, H, W) or (N, H, W, C) with the Gaussians of ``geometry`` and the weights of least MSE: a batch.

    One linear system for all: thousands of pictures a second.
    """
    require_gaussians(geometry, "geometry")
    require_collection(images)
    images = checked_images(images)
    if geometry.means.ndim != 2:
        raise ArgumentError("geometry", f"must be one model, not a batch; got means {geometry.means.shape}")
    return _project(images, geometry)


@jax.jit
def _project(images: Float[Array, "n h w *c"], geometry: GmFace) -> GmFace:
    n, height, width, *channels = images.shape
    side_by_side = jnp.moveaxis(images, 0, 2).reshape(height, width, -1)
    found = solve_weights(geometry.means, geometry.precision_chol, side_by_side, offset=geometry.offset)
    weights = jnp.moveaxis(found.weights.reshape(-1, n, *channels), 1, 0)
    means, chol = (jnp.broadcast_to(leaf, (n, *leaf.shape)) for leaf in (found.means, found.precision_chol))
    return GmFace(weights, means, chol, geometry.offset)
