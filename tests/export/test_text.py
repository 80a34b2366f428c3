"""LaTeX, plain text and Desmos: their formulas, put into Python's notation by rules that stand here, have the values of
the formula in float64."""

import dataclasses
import re
import shutil
import subprocess

import numpy as np
import pytest

import gmjax
from gmjax import ArgumentError, export
from gmjax.export import latex, plain
from gmjax.export.formula import formula_of
from tests.export.formulas import FORMULAS, NAMES, POINTS, formula, values

FUNCTIONS = {"exp": np.exp, "sqrt": np.sqrt, "cos": np.cos, "ln": np.log, "log": np.log}
EVERY_CASE = pytest.mark.parametrize("case", range(len(FORMULAS)), ids=NAMES)


def without_comments(text: str, sign: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.startswith(sign))


def replaced(text: str, *rules: tuple[str, str]) -> str:
    for pattern, replacement in rules:
        text = re.sub(pattern, replacement, text)
    return text


def evaluated(expression: str, **names) -> np.ndarray:
    return eval(expression, {"__builtins__": {}}, {**FUNCTIONS, "vec": lambda *parts: np.array(parts), **names})


@EVERY_CASE
def test_latex_equation(case):
    body = without_comments(latex.write_equation(FORMULAS[case]), "%")
    (equation,) = re.findall(
        r"^\\begin\{flushleft\}\n\$.*?f\}?\(x_1,x_2\)=(.*)\$\n\\end\{flushleft\}$", body, re.DOTALL
    )
    expression = replaced(
        equation,
        (r"\$\\\\\n\$\{\}|\\allowbreak", ""),
        (r"\{\\times\}10\^\{(-?\d+)\}", r"e\1"),
        (r"(^|\+)\(([^()x]*)\)(?=\\,)", r"\1vec(\2)"),
        (r"\\,", "*"),
        (r"\\bigl\(|\[|\{", "("),
        (r"\\bigr\)|\]|\}", ")"),
        (r"\^2", "**2"),
        (r"(\d)\(", r"\1*("),
        (r"\\", ""),
    )
    found = [evaluated(expression, x_1=row, x_2=column) for row, column in POINTS]
    np.testing.assert_allclose(np.reshape(found, values(case, POINTS).shape), values(case, POINTS), rtol=1e-9)


@EVERY_CASE
def test_latex_table(case):
    made = FORMULAS[case]
    rows = re.findall(r"^(\d+) & (.*) \\\\$", latex.write_table(made), re.MULTILINE)
    numbers = np.array([[decimal(cell) for cell in row.split(" & ")] for _, row in rows])
    assert [int(number) for number, _ in rows] == [1, 2, 3, 4]
    weights = made.weights.reshape(4, -1)
    factors = np.array([[[l11, 0], [l21, l22]] for l11, l21, l22 in made.chol])
    matrices = (factors @ factors.transpose(0, 2, 1))[:, (0, 1, 1), (0, 0, 1)]
    np.testing.assert_allclose(numbers, np.hstack([weights, made.means, matrices, made.extra]), rtol=1e-15)


def decimal(cell: str) -> float:
    return float(replaced(cell.strip("$"), (r"\{\\times\}10\^\{(-?\d+)\}", r"e\1")))


def test_the_papers_table_comes_back_with_its_digits(published):
    """All but one of its numbers have at most six."""
    rows = re.findall(r"^\d+ & (.*) \\\\$", export.to_text(published, "latex-table", digits=6), re.MULTILINE)
    numbers = np.array([[decimal(cell) for cell in row.split(" & ")] for row in rows])
    with open(gmjax.__path__[0] + "/published_common_face.csv") as table:
        printed = [[float(f"{float(cell):.6g}") for cell in line.split(",")] for line in list(table)[1:]]
    np.testing.assert_array_equal(numbers, printed)


def test_digits_of_the_table():
    table = latex.write_table(dataclasses.replace(formula(), digits=3))
    cells = [cell for row in re.findall(r"^\d+ & (.*) \\\\$", table, re.MULTILINE) for cell in row.split(" & ")]
    assert len(cells) == 4 * 6
    longer = [place for place, cell in enumerate(cells) if decimal(cell) != float(f"{decimal(cell):.3g}")]
    assert set(longer) <= {9, 10, 11}  # the matrix of the second component
    assert longer
    assert "in these rows: 2." in table


def test_a_table_of_few_digits_stands_for_a_model():
    """The matrix of a narrow Gaussian has more digits where it would not be positive definite."""
    params = formula().params
    rounded = latex.rounded_by_precision(params, 12)
    np.testing.assert_allclose(rounded.precision_chol, params.precision_chol, rtol=1e-6)
    rounded = latex.rounded_by_precision(params, 2)
    table = latex.write_table(dataclasses.replace(formula(), digits=2))
    rows = re.findall(r"^\d+ & (.*) \\\\$", table, re.MULTILINE)
    printed = np.array([[decimal(cell) for cell in row.split(" & ")[-3:]] for row in rows])
    matrices = np.asarray(gmjax.precision(rounded)).reshape(-1, 4)[:, [0, 2, 3]]
    np.testing.assert_allclose(matrices, printed, rtol=1e-6)
    assert (rounded.precision_chol[:, ::2] > 0).all()


def test_a_gaussian_too_narrow_for_a_table_is_named():
    narrow = np.array([[1.0, 0.0, 1.0], [1e4, 1e4, 1e-3]], np.float32)
    params = gmjax.GmFace(np.ones(2, np.float32), np.full((2, 2), 0.5, np.float32), narrow)
    with pytest.raises(ArgumentError, match=r"component 2, which is too narrow .* use latex"):
        export.to_text(params, "latex-table", digits=4)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="there is no pdflatex")
@pytest.mark.parametrize("channels", [None, 3])
def test_latex_compiles(tmp_path, channels):
    made = formula(channels=channels, dtype=np.float32)
    (tmp_path / "equation.tex").write_text(latex.write_equation(made))
    (tmp_path / "table.tex").write_text(latex.write_table(dataclasses.replace(made, digits=3)))
    text = r"\documentclass{article}\usepackage{longtable}\begin{document}\input{equation}\input{table}\end{document}"
    (tmp_path / "all.tex").write_text(text)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout
    assert "Overfull" not in done.stdout


@EVERY_CASE
def test_plain_text(case):
    found = []
    for function in without_comments(plain.write_text(FORMULAS[case]), "#").split("f")[1:]:
        head, expression = function.split(" =\n")
        assert head.endswith("(x, y)")
        expression = expression.replace("^", "**").replace("\n", " ")
        found.append([evaluated(f"({expression})", x=column, y=row) for row, column in POINTS])
    np.testing.assert_allclose(
        np.reshape(np.transpose(found), values(case, POINTS).shape), values(case, POINTS), rtol=1e-9
    )


@EVERY_CASE
def test_desmos(case):
    lines = without_comments(plain.write_desmos(FORMULAS[case]), '"').splitlines()
    rules = [(r"\\left|\\right|\\operatorname", ""), (r"([MLPWf])_\{(\d+)\}", r"\1\2"), (r"\\cdot ", "*")]
    rules += [(r"\^\{2\}", "**2"), (r"(?<!\w)e\^\{", "exp("), (r"10\^\{(-?\d+)\}", r"10**(\1)")]
    rules += [(r"\\frac\{", "(1*("), (r"\}\{", "))/("), (r"\{", "("), (r"\}", ")"), (r"\\", "")]
    names, found = {"total": sum}, []
    for head, right in (replaced(line, *rules).split("=") for line in lines):
        if "(x,y)" in head:
            found.append([evaluated(right, x=column, y=1 - row, **names) for row, column in POINTS])
        else:
            names[head] = np.array(evaluated(right))
    np.testing.assert_allclose(
        np.reshape(np.transpose(found), values(case, POINTS).shape), values(case, POINTS), rtol=1e-9
    )


def test_desmos_has_lists_of_ten_thousand_at_most(model):
    leaves = (np.resize(leaf, (10_001, *leaf.shape[1:])) for leaf in (model.weights, model.means, model.precision_chol))
    with pytest.raises(ArgumentError, match="10001 components"):
        plain.write_desmos(formula_of(gmjax.GmFace(*leaves)))
