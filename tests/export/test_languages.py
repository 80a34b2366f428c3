"""What all languages have in common."""

import dataclasses

import jax
import numpy as np
import pytest

import gmjax
from gmjax import ArgumentError, ArgumentTypeError, export
from gmjax.export.languages import LANGUAGES
from tests.export.formulas import formula

HOSTILE = {
    "source": '*/ --> ]]> """ </script>\nimport os',
    "</desc>": "\\end{document}",
    "=cmd()": "\x1b[2J",
    "height": "*/",
}
EVERY_LANGUAGE = pytest.mark.parametrize("language", LANGUAGES)


@EVERY_LANGUAGE
def test_says_where_it_came_from_and_how_pixels_are_counted(model, language):
    text = export.to_text(dataclasses.replace(model, offset=0.5), language)
    if language == "csv":
        assert text.splitlines()[0].endswith(",offset,bits")
    elif language == "json":
        assert '"offset": 0.5' in text
        assert "row first" in text
    else:
        assert f"gmjax {gmjax.__version__}" in text
        assert "((r + 0.5) / H, (c + 0.5) / W)" in text
        assert "row first" in text


@EVERY_LANGUAGE
def test_text_of_a_model_file_stays_out_or_is_escaped(model, language):
    text = export.to_text(model, language, metadata=HOSTILE)
    if language != "json":
        assert text == export.to_text(model, language)
    assert text.isascii()
    assert "<s" not in text.replace("<svg", "")
    assert "import os" not in text.splitlines()


@EVERY_LANGUAGE
def test_digits(model, language):
    """As few as asked for; and more than a type has change nothing."""
    exact = export.to_text(model, language)
    assert export.to_text(model, language, digits=17) == exact or language == "svg"
    assert len(export.to_text(model, language, digits=5)) < len(exact) or language == "svg"


def test_rounding(model, color_model):
    rounded = export.rounded_model(color_model, 3)
    for few, exact in zip(jax.tree.leaves(rounded), jax.tree.leaves(color_model), strict=True):
        np.testing.assert_allclose(few, exact, rtol=5e-3)
        np.testing.assert_array_equal(few, np.vectorize(lambda number: np.float32(f"{number:.3g}"))(exact))
    for same, exact in zip(*map(jax.tree.leaves, (export.rounded_model(model, 9), model)), strict=True):
        np.testing.assert_array_equal(same, exact)


@pytest.mark.parametrize("digits", [0, 18])
def test_wrong_digits(model, digits):
    with pytest.raises(ArgumentError, match="from 1 to 17"):
        export.to_text(model, "c", digits=digits)


def test_what_cannot_be_exported(model, unchecked):
    with pytest.raises(ArgumentError, match="must be one of csv, json, latex"):
        export.to_text(model, "cobol")
    with pytest.raises(ArgumentError, match="is a batch"):
        export.to_text(gmjax.stack([model, model]), "c")
    with pytest.raises(ArgumentError, match="l11 > 0"):
        export.to_text(dataclasses.replace(model, precision_chol=-model.precision_chol), "c")
    with pytest.raises(ArgumentTypeError, match="must be a GmFace"):
        export.to_text(formula(), "c")
