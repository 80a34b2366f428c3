"""The languages by name, and the two directions: a model as text, and text as a model."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gmjax.errors import ArgumentError
from gmjax.export import c, javascript, latex, numpy_source, plain, shaders, svg
from gmjax.export.formula import Formula, checked_digits, formula_of, rounded_model
from gmjax.files import models, text
from gmjax.gmface import GmFace, Model, require_gaussians


@dataclasses.dataclass(frozen=True)
class Language:
    """``about``: for whom it is, in a line. ``suffixes``: of its files. ``write``: the text of a formula. ``rounded``:
    the model that a text of so many digits stands for; None if it stands for none. ``gaussians_only``: whether it
    cannot hold ``Atoms``."""

    about: str
    suffixes: tuple[str, ...]
    write: Callable[[Formula], str]
    rounded: Callable[[Any, int | None], Any] | None = rounded_model
    gaussians_only: bool = False


def _json(formula: Formula) -> str:
    notes = {name: note for name, note in models.HEADER.items() if name not in models.CONVENTIONS}
    conventions = {name: note for name, note in models.CONVENTIONS.items() if name != "batch"}
    return text.to_json(_tensors(formula), formula.offset, notes, conventions, _own_text(formula))


def _csv(formula: Formula) -> str:
    return text.to_csv(_tensors(formula), formula.offset, formula.shape)


def _tensors(formula: Formula) -> dict[str, np.ndarray]:
    """The tensors of the model, all converted to one type; the text names it."""
    tensors = {name: np.asarray(getattr(formula.params, name)) for name in models.TENSORS}
    dtype = np.result_type(*tensors.values())
    return {name: tensor.astype(dtype) for name, tensor in tensors.items()}


def _own_text(formula: Formula) -> dict[str, str]:
    size = dict(zip(("height", "width"), map(str, formula.shape or ()), strict=False))
    own = {name: note for name, note in formula.metadata.items() if name not in {*models.HEADER, "offset"}}
    return size | own


LANGUAGES = {
    "csv": Language(
        "a table with one row per Gaussian, for spreadsheets, R and SPSS", (".csv",), _csv, gaussians_only=True
    ),
    "json": Language(
        "the model with everything in its file, for other programs", (".json",), _json, gaussians_only=True
    ),
    "latex": Language("the whole sum as one formula, for a paper or its supplement", (".tex",), latex.write_equation),
    "latex-table": Language(
        "the numbers as a table like the paper's Table 3", (), latex.write_table, latex.rounded_by_precision, True
    ),
    "svg": Language("a figure of the Gaussians as ellipses, not the picture", (".svg",), svg.write, None, True),
    "text": Language("f(x, y) = ... written out, for any program that takes formulas", (".txt",), plain.write_text),
    "desmos": Language("lines to paste into the calculator of desmos.com", (".desmos",), plain.write_desmos),
    "numpy": Language("Python code that needs NumPy only", (".py",), numpy_source.write),
    "javascript": Language(
        "an ES module, for web pages and experiments in a browser", (".js", ".mjs"), javascript.write
    ),
    "c": Language("a C99 function without dependencies", (".c",), c.write),
    "glsl": Language("a shader function for WebGL2 and shadertoy.com", (".glsl", ".frag"), shaders.write_glsl),
    "wgsl": Language("a shader function for WebGPU", (".wgsl",), shaders.write_wgsl),
}


def to_text(
    params: Model,
    language: str,
    *,
    digits: int | None = None,
    shape: tuple[int, int] | None = None,
    metadata: Mapping[str, str] | None = None,
) -> str:
    """One model in a language of ``LANGUAGES``.

    ``digits``: significant decimal digits of each number; None writes the shortest numbers that are exact in the
    model's type, at most 9 for float32 and 17 for float64. ``shape``: (H, W) of the picture that it was fitted to.
    ``metadata``: as ``load_metadata`` returns it; only JSON holds it.

    Raises ArgumentError for an unknown language, a batch, a model that is not valid, or one that the language cannot
    hold.
    """
    if language not in LANGUAGES:
        raise ArgumentError("language", f"must be one of {', '.join(LANGUAGES)}; got {language!r}")
    checked_digits(digits, np.float64)
    formula_of(params)
    if LANGUAGES[language].gaussians_only:
        params = require_gaussians(params)
    if LANGUAGES[language].rounded is rounded_model:
        params = rounded_model(params, digits)
    return LANGUAGES[language].write(formula_of(params, digits=digits, shape=shape, metadata=metadata))


def from_json(content: str) -> GmFace:
    """The model in JSON text; its numbers are those that were written. Raises ModelFileError."""
    return models.parsed(content, ".json", "the text")[0]


def from_csv(content: str) -> GmFace:
    """The model in CSV text; its numbers are those that were written. Raises ModelFileError."""
    return models.parsed(content, ".csv", "the text")[0]
