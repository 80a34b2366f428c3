"""Table 3: the published parameters, and those of another collection."""

import re

import numpy as np
import pytest

import gmjax
from experiments import published
from tests.experiments import TINY


def test_the_symmetry_identifies_the_papers_grid():
    face = gmjax.published_common_face()
    for offset, known in published.KNOWN.items():
        assert published.asymmetry_of(face, (120, 120), offset) == pytest.approx(known, abs=5e-5)


def test_tables_of_a_collection(cached, without_fits):
    without_fits(published)
    report = published.run(published.Config(**TINY), cached)
    assert set(report.files) == {"common_face_table.txt", "common_face_table.tex"}
    assert set(report.figures) == {"table3.png"}


def test_both_tables_contain_all_numbers():
    face = gmjax.published_common_face()
    text, latex = published.text_table(face), published.latex_table(face)
    weights = [f"{w:.4f}" for w in np.asarray(face.weights)]
    lines = [line.split() for line in text.splitlines()]
    assert [w for line in lines if line[:1] == ["w"] for w in line[1:]] == weights
    assert [int(i) for line in lines if line[:1] == ["i"] for i in line[1:]] == list(range(1, 81))
    assert re.findall(r"\$(-?\d\.\d{4})\$", latex) == weights
    assert latex.count(r"\begin{bmatrix}") == latex.count(r"\end{bmatrix}") == 160


def test_the_printed_digits_render_the_same_face():
    face = gmjax.published_common_face()
    exact, rounded = (gmjax.render(model, (60, 60)) for model in (face, published.as_printed(face)))
    assert float(gmjax.mse(exact, rounded)) < 1e-7
