"""gmjax: a face, or any picture, as one explicit formula, a sum of two-dimensional Gaussians."""

from gmjax import (
    analysis,
    calculus,
    compact,
    coordinates,
    correspondence,
    export,
    frame,
    parallel,
    profiles,
    registration,
    space,
    viewer,
)
from gmjax._version import __version__
from gmjax.common import fit_common
from gmjax.errors import ArgumentError, ArgumentTypeError, DivergedError, GmjaxError
from gmjax.files.models import load
from gmjax.gmface import Atoms, GmFace, from_precision, gmface, pixel_grid, precision, render, stack, unstack
from gmjax.gmnet import GmNet
from gmjax.losses import mse, pae, psnr
from gmjax.personal import fit
from gmjax.profiles import Profile
from gmjax.published import published_common_face
from gmjax.saving import save
from gmjax.solvers.config import FitConfig
from gmjax.solvers.stages import FitInfo, FitResult
from gmjax.solvers.unconstrained import Unconstrained, from_unconstrained, to_unconstrained
from gmjax.statistics import ImageStatistics, image_statistics
from gmjax.transforms import affine, rotate, scale, translate
from gmjax.viewer import view

__all__ = ["ArgumentError", "ArgumentTypeError", "DivergedError", "GmjaxError", "__version__", "analysis", "compact"]
__all__ += ["Atoms", "Profile", "profiles"]
__all__ += ["GmFace", "GmNet", "from_precision", "gmface", "pixel_grid", "precision", "render", "stack", "unstack"]
__all__ += ["FitConfig", "FitInfo", "FitResult", "ImageStatistics", "fit", "fit_common", "image_statistics"]
__all__ += ["Unconstrained", "from_unconstrained", "mse", "pae", "psnr", "to_unconstrained"]
__all__ += ["affine", "calculus", "coordinates", "correspondence", "export", "frame", "load"]
__all__ += [
    "parallel",
    "published_common_face",
    "registration",
    "rotate",
    "save",
    "scale",
    "space",
    "translate",
    "view",
    "viewer",
]
