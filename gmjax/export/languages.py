"""The languages by name, and the two directions: a model as text, and text as a model."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gmjax.errors import ArgumentError
from gmjax.export import c, javascript, latex, numpy_source, plain, shaders, svg
from gmjax.export.formula import Formula, checked_digits, definitions, formula_of, rounded_model
from gmjax.files import models, text
from gmjax.gmface import Atoms, Model


@dataclasses.dataclass(frozen=True)
class Language:
    """``about``: for whom it is, in a line. ``suffixes``: of its files. ``write``: the text of a formula. ``rounded``:
    the model that a text of so many digits stands for; None if it stands for none."""

    about: str
    suffixes: tuple[str, ...]
    write: Callable[[Formula], str]
    rounded: Callable[[Any, int | None], Any] | None = rounded_model


def _json(formula: Formula) -> str:
    header = models.header_of(formula.params)
    notes = {name: note for name, note in header.items() if name in ("format", "format_version", "profile")}
    conventions = {name: note for name, note in header.items() if name not in {*notes, "batch"}}
    if isinstance(formula.params, Atoms):
        given = "".join(f", {name}" for name in formula.kind.parameters)
        conventions["psi"] = f"functions of u, v{given}: {definitions(formula.kind)}, with q = u^2 + v^2"
    size = dict(zip(("height", "width"), map(str, formula.shape or ()), strict=False))
    own = {name: note for name, note in formula.metadata.items() if name not in {*header, "offset"}}
    return text.to_json(_tensors(formula), formula.offset, notes, conventions, size | own)


def _csv(formula: Formula) -> str:
    profile = formula.params.profile.name if isinstance(formula.params, Atoms) else None
    return text.to_csv(_tensors(formula), formula.offset, formula.shape, profile)


def _tensors(formula: Formula) -> dict[str, np.ndarray]:
    """The tensors of the model, all converted to one type; the text names it."""
    names = models.ATOMS_TENSORS if isinstance(formula.params, Atoms) else models.TENSORS
    tensors = {name: np.asarray(getattr(formula.params, name)) for name in names}
    dtype = np.result_type(*tensors.values())
    return {name: tensor.astype(dtype) for name, tensor in tensors.items()}


LANGUAGES = {
    "csv": Language("a table with one row per Gaussian, for spreadsheets, R and SPSS", (".csv",), _csv),
    "json": Language("the model with everything in its file, for other programs", (".json",), _json),
    "latex": Language("the whole sum as one formula, for a paper or its supplement", (".tex",), latex.write_equation),
    "latex-table": Language(
        "the numbers as a table like the paper's Table 3", (), latex.write_table, latex.rounded_by_precision
    ),
    "svg": Language("a figure of the Gaussians as ellipses, not the picture", (".svg",), svg.write, None),
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

    Raises ArgumentError for an unknown language, a batch, a model that is not valid, one with a profile of your own, or
    one that the language cannot hold.
    """
    if language not in LANGUAGES:
        raise ArgumentError("language", f"must be one of {', '.join(LANGUAGES)}; got {language!r}")
    checked_digits(digits, np.float64)
    formula_of(params)
    if LANGUAGES[language].rounded is rounded_model:
        params = rounded_model(params, digits)
    return LANGUAGES[language].write(formula_of(params, digits=digits, shape=shape, metadata=metadata))


def from_json(content: str) -> Model:
    """The model in JSON text; its numbers are those that were written. Raises ModelFileError."""
    return models.parsed(content, ".json", "the text")[0]


def from_csv(content: str) -> Model:
    """The model in CSV text; its numbers are those that were written. Raises ModelFileError."""
    return models.parsed(content, ".csv", "the text")[0]
