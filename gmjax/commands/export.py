"""``gmjax export``: a model in another language."""

import dataclasses
import sys
from pathlib import Path
from typing import Annotated, Literal

import jax
import numpy as np
from tyro.conf import Positional, arg

from gmjax import export, saving
from gmjax.commands.models import load_single
from gmjax.commands.options import one_of, option
from gmjax.commands.outputs import require_writable
from gmjax.commands.printing import say
from gmjax.errors import ArgumentError
from gmjax.files import models
from gmjax.files.atomic import write_atomically
from gmjax.gmface import Model, render
from gmjax.losses import pae, psnr

_SUFFIXES = {suffix: name for name, language in export.LANGUAGES.items() for suffix in language.suffixes}

LanguageName = Literal[
    "csv", "json", "latex", "latex-table", "svg", "text", "desmos", "numpy", "javascript", "c", "glsl", "wgsl"
]


@dataclasses.dataclass(kw_only=True)
class Export:
    """Write a model in another language.

    For statistics programs and spreadsheets take csv; for a paper latex (the formula), latex-table (its numbers) and
    svg (a figure of the Gaussians); for a web page or an experiment in a browser javascript; for your own Python code
    numpy. gmjax reads csv and json again, wherever it takes a model file. Only json keeps all that a model file says,
    such as where the picture of a moved model ends. The other languages draw the formula everywhere.
    """

    model: Annotated[Positional[Path], arg(metavar="MODEL", help="Model file.")]

    out: Annotated[Positional[Path | None], arg(metavar="OUT", help_behavior_hint="(default: the terminal)")] = None
    """File to write. Its suffix (.csv, .tex, .py ...) chooses the language if --to is missing."""

    to: Annotated[
        LanguageName | None,
        one_of(LanguageName),
        arg(
            metavar="LANGUAGE",
            help="; ".join(f"{name}: {language.about}" for name, language in export.LANGUAGES.items()) + ".",
            help_behavior_hint="(default: as the suffix of OUT says)",
        ),
    ] = None

    digits: Annotated[int | None, option("N", "as many as are exact")] = None
    """Significant digits of each number, 1 to 17. Four suit a printed table, where the matrix of a narrow Gaussian gets
    as many more as it needs. The command says how much that changes the picture."""

    def run(self) -> int:
        if self.out is not None:
            require_writable(self.out, model=self.model)
        language = self._language()
        params, metadata = load_single(self.model)
        shape = models.fitted_shape(metadata)
        known = shape if {"height", "width"} <= metadata.keys() else None
        try:
            text = export.to_text(params, language, digits=self.digits, shape=known, metadata=metadata)
        except ArgumentError as error:
            name = str(self.model) if error.argument == "params" else error.argument
            raise ArgumentError(name, error.problem) from error
        cost = _cost(params, language, self.digits, shape)
        if self.out is None:
            print(text, end="")
            print(cost, file=sys.stderr)
        else:
            write_atomically(self.out, text.encode())
            say(f"{self.out}: {self.model} in {language}\n{cost}")
        return 0

    def _language(self) -> str:
        suffix = "" if self.out is None else self.out.suffix.lower()
        if suffix in saving.SUFFIXES:
            raise ArgumentError(str(self.out), "has the suffix of a model file, which gmjax convert writes")
        named = _SUFFIXES.get(suffix)
        if self.to is not None:
            # Every language is text, and the table is LaTeX too.
            if named not in (None, "text", self.to, self.to.removesuffix("-table")):
                raise ArgumentError("to", f"{self.to} does not agree with the name {self.out}: {suffix} is for {named}")
            return self.to
        if self.out is None:
            raise ArgumentError("to", f"is needed without OUT: give one of {', '.join(export.LANGUAGES)}")
        if named is None:
            raise ArgumentError("to", f"is needed: {self.out} has none of the suffixes {' '.join(_SUFFIXES)}")
        return named


def _cost(params: Model, language: str, digits: int | None, shape: tuple[int, int]) -> str:
    """What the digits change in the picture."""
    rounded = export.LANGUAGES[language].rounded
    if rounded is None:
        return "A drawing of the components, not of the picture."
    written = rounded(params, digits)
    if all(map(np.array_equal, jax.tree.leaves(written), jax.tree.leaves(params))):
        return "The numbers are exact."
    exact, drawn = (render(model, shape) for model in (params, written))
    size = f"at {shape[0]} x {shape[1]}"
    return f"Rounding changes the picture by at most {pae(drawn, exact):.2g}, PSNR {psnr(drawn, exact):.1f} dB {size}."
