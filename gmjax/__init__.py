"""gmjax: a face, or any picture, as one explicit formula, a sum of two-dimensional Gaussians."""

from gmjax._version import __version__
from gmjax.common import fit_common
from gmjax.files.models import load, save
from gmjax.gmface import GmFace, from_precision, gmface, pixel_grid, precision, render
from gmjax.gmnet import GmNet
from gmjax.losses import ImageStatistics, image_statistics, mse, pae, psnr
from gmjax.personal import fit
from gmjax.published import published_common_face
from gmjax.solvers.config import FitConfig
from gmjax.solvers.fitting import FitInfo, FitResult
from gmjax.transforms import affine, rotate, scale, translate

__all__ = [
    "FitConfig",
    "FitInfo",
    "FitResult",
    "GmFace",
    "GmNet",
    "ImageStatistics",
    "__version__",
    "affine",
    "fit",
    "fit_common",
    "from_precision",
    "gmface",
    "image_statistics",
    "load",
    "mse",
    "pae",
    "pixel_grid",
    "precision",
    "psnr",
    "published_common_face",
    "render",
    "rotate",
    "save",
    "scale",
    "translate",
]
