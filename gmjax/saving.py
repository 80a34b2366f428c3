"""``gmjax.save``: a model in a file of the kind that its name says."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np

from gmjax import compact
from gmjax.errors import ArgumentError
from gmjax.files import models
from gmjax.files.gmf import SUFFIX as COMPACT
from gmjax.files.suffixes import require_suffix
from gmjax.gmface import Model, render, require_gaussians

SUFFIXES = (".safetensors", COMPACT)


def require_model_suffix(path: Path) -> None:
    """Raises ArgumentError unless ``save`` writes files of the suffix of ``path``."""
    if path.suffix.lower() in models.TEXT_SUFFIXES:
        raise ArgumentError(str(path), f"is text, which gmjax export writes: use one of {' '.join(SUFFIXES)}")
    require_suffix(path, SUFFIXES)


def save(
    path: str | os.PathLike,
    params: Model,
    metadata: Mapping[str, str] | None = None,
    *,
    dtype: Literal["float16", "float32", "float64"] | None = None,
) -> None:
    """Writes a model, or a batch of models, whole or not at all; ``gmjax.load`` reads it.

    A name that ends in .gmf makes a compact file of one gray or RGB model, quantised finely, and nearest to its drawing
    at the height and width that ``metadata`` gives, else 120 x 120; other metadata is dropped. ``gmjax.compact.encode``
    makes smaller files. A name that ends in .safetensors makes a safetensors file; other names are refused.

    ``metadata``: the caller's own text, by name; what ``load_metadata`` returned can be passed on, but the names of
    ``HEADER`` keep their text, and ``"offset"`` is that of ``params``.
    ``dtype``: how a safetensors file stores numbers; None as they are. float16 halves the file and costs some
    hundredths of a decibel.
    A factor with a negative diagonal is written with the sign of that column of L changed, which keeps A.

    Raises ArgumentError for models that are not valid or that this kind of file cannot hold, metadata that is not text,
    more of either than ``load`` would take, or a name that ends in .json or .csv; ModelFileError if the file cannot be
    written there.
    """
    path = Path(path)
    require_model_suffix(path)
    if path.suffix.lower() != COMPACT:
        models.save(path, params, metadata, dtype=dtype)
        return
    gaussians = require_gaussians(params)
    if dtype is not None:
        raise ArgumentError("dtype", f"is for safetensors files: a {COMPACT} file has steps of its own")
    if params.means.ndim != 2 or params.channels not in (None, 3):
        raise ArgumentError("params", f"must be one gray or RGB model for a {COMPACT} file")
    drawn = np.clip(render(params, models.fitted_shape(metadata or {})), 0, 1)
    models.write(path, compact.encode(drawn, gaussians).content)
