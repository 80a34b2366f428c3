"""Table 3: the published parameters, and a table of our own."""

import re

import numpy as np
import pytest

import gmjax
from experiments import published


def test_the_papers_convention_shows_in_the_symmetry():
    face = gmjax.published_common_face()
    for offset, known in published.KNOWN.items():
        assert published.asymmetry_of(face, (120, 120), offset) == pytest.approx(known, abs=5e-5)


def test_a_table_of_our_own(kept):
    report = published.run(published.Config(size=24, steps=8), kept)
    assert set(report.files) == {"common_face_table.txt", "common_face_table.tex"}
    assert set(report.figures) == {"table3.png"}


def test_both_tables_hold_all_numbers():
    face = gmjax.published_common_face()
    text, latex = published.text_table(face), published.latex_table(face)
    weights = [f"{w:.4f}" for w in np.asarray(face.weights)]
    lines = [line.split() for line in text.splitlines()]
    assert [w for line in lines if line[:1] == ["w"] for w in line[1:]] == weights
    assert [int(i) for line in lines if line[:1] == ["i"] for i in line[1:]] == list(range(1, 81))
    assert re.findall(r"\$(-?\d\.\d{4})\$", latex) == weights
    assert latex.count(r"\begin{bmatrix}") == latex.count(r"\end{bmatrix}") == 160


def test_the_printed_table_draws_the_same_face():
    face = gmjax.published_common_face()
    drawn, again = (gmjax.render(model, (60, 60)) for model in (face, published.as_printed(face)))
    assert float(gmjax.mse(drawn, again)) < 1e-7
