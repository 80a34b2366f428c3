r"""LaTeX, to ``\input``: the whole sum as one formula, and the numbers as a table like the paper's Table 3."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from gmjax.errors import ArgumentError
from gmjax.export.expressions import holds_together, in_tex
from gmjax.export.formula import Formula, Kind, checked_digits, conventions, rounded_model
from gmjax.export.signs import minus, plus
from gmjax.files.decimals import EXACT_DIGITS, rounded, shortest
from gmjax.gmface import AnyModel

_BREAKING_COMMA = r",\allowbreak "
_STYLE = {
    "*": r"{}\,{}",
    "/": "{}/{}",
    "(": r"\bigl({}\bigr)",
    "exp": r"\exp\bigl({}\bigr)",
    "sqrt": r"\sqrt{{{}}}",
    "cos": r"\cos\bigl({}\bigr)",
    "log": r"\ln\bigl({}\bigr)",
}


def write_equation(formula: Formula) -> str:
    """In a paragraph, which may go over pages. Each component starts a line; TeX breaks long ones at their signs."""
    kind, channels = formula.kind, formula.channels
    added = []
    for row, weights in zip(formula.rows(), formula.weights, strict=True):
        mu1, mu2, l11, l21, l22 = map(_number, row[:5])
        row_part, column_part = f"(x_1{minus(mu1)})", f"(x_2{minus(mu2)})"
        names = {"u": f"({l11}{row_part}{plus(l21)}{column_part})", "v": f"({l22}{column_part})"}
        names["q"] = f"[{names['u']}^2+{names['v']}^2]"
        names |= {name: _number(text) for name, text in zip(kind.parameters, row[5:], strict=False)}
        for weight, term in zip(weights, terms_in_tex(kind, names), strict=True):
            texts = [_number(shortest(number)) for number in weight]
            factor = plus(texts[0]) if channels is None else f"+({_BREAKING_COMMA.join(texts)})"
            added.append(rf"{factor}\,{term}")
    function = "f" if channels is None else r"\mathbf{f}"
    body = "$\\\\\n${}".join(added).removeprefix("+")
    return f"{_comment(formula)}\n\\begin{{flushleft}}\n${function}(x_1,x_2)={body}$\n\\end{{flushleft}}\n"


def terms_in_tex(kind: Kind, names: Mapping[str, str]) -> list[str]:
    """The terms as factors, with the ``names`` of u, v, q and the parameters replaced by LaTeX that holds together."""
    names = dict(names)
    for name, term in kind.terms.items():
        text = in_tex(term, names, _STYLE)
        names[name] = text if holds_together(term) else rf"\bigl({text}\bigr)"
    return [names[name] for name in kind.terms]


def write_table(formula: Formula) -> str:
    """With the entries of the precision matrices A = L L^T, as in the paper."""
    kind, (_, terms, channels) = formula.kind, formula.weights.shape
    numbers = np.concatenate([formula.flat_weights, formula.means, _matrices(formula.chol), formula.extra], axis=1)
    digits = checked_digits(formula.digits, numbers.dtype)
    matrices, finer = _rounded_matrices(formula.chol, digits)
    numbers = rounded(numbers, digits).copy()
    first = formula.flat_weights.shape[1] + 2
    numbers[:, first : first + 3] = matrices
    which = ", ".join(map(str, finer))
    note = f"\n% More digits, so that A stays positive definite, in these rows: {which}." if which else ""
    weights = [["w"], [f"w_{{{number + 1}}}" for number in range(terms * channels)]][terms * channels > 1]
    parameters = (rf"\mathrm{{{name}}}" for name in kind.parameters)
    heads = [*weights, r"\mu_1", r"\mu_2", "a_{11}", "a_{21}", "a_{22}", *parameters]
    rows = "\n".join(
        f"{place} & {' & '.join(f'${_number(shortest(number))}$' for number in row)} \\\\"
        for place, row in enumerate(numbers, 1)
    )
    return rf"""{_comment(formula)}
% A = L L^T = ((a11, a21), (a21, a22)), q = a11 d1^2 + 2 a21 d1 d2 + a22 d2^2. Needs \usepackage{{longtable}}.{note}
\begingroup
\setlength{{\tabcolsep}}{{4pt}}
\begin{{longtable}}{{r{"r" * len(heads)}}}
\hline
$i$ & {" & ".join(f"${head}$" for head in heads)} \\
\hline
\endhead
\hline
\endfoot
{rows}
\end{{longtable}}
\endgroup
"""


def rounded_by_precision(params: AnyModel, digits: int | None) -> AnyModel:
    """``params`` as the table has it. Raises ArgumentError for a component that is too narrow for its numbers."""
    chol = np.asarray(params.precision_chol)
    matrices, _ = _rounded_matrices(chol, checked_digits(digits, chol.dtype))
    a11, a21, _ = matrices.astype(np.float64).T
    l11 = np.sqrt(a11)
    chol = np.stack([l11, a21 / l11, np.sqrt(_rest(matrices))], axis=-1)
    rest = rounded_model(params, digits)
    return dataclasses.replace(rest, precision_chol=chol.astype(rest.means.dtype))


def _rounded_matrices(chol: np.ndarray, digits: int) -> tuple[np.ndarray, np.ndarray]:
    """(a11, a21, a22), (m, 3), with ``digits``, and with as many more as keep a matrix positive definite; and which
    components, counted from 1, have more. Raises ArgumentError where all digits of the type do not suffice."""
    exact = _matrices(chol)
    matrices = rounded(exact, digits).copy()
    left = finer = np.flatnonzero(_rest(matrices) <= 0)
    while len(left):
        digits += 1
        if digits > EXACT_DIGITS[exact.dtype]:
            problem = f"has component {left[0] + 1}, which is too narrow for the table in {exact.dtype}"
            raise ArgumentError("params", f"{problem}: use latex in place of latex-table")
        matrices[left] = rounded(exact[left], digits)
        left = left[_rest(matrices[left]) <= 0]
    return matrices, finer + 1


def _rest(matrices: np.ndarray) -> np.ndarray:
    """l22^2 (m,), above 0 where a matrix is positive definite."""
    a11, a21, a22 = matrices.astype(np.float64).T
    return a22 - a21 * a21 / a11


def _matrices(chol: np.ndarray) -> np.ndarray:
    """(a11, a21, a22), (m, 3)."""
    l11, l21, l22 = chol.astype(np.float64).T
    return np.stack([l11 * l11, l11 * l21, l21 * l21 + l22 * l22], axis=-1).astype(chol.dtype)


def _number(text: str) -> str:
    mantissa, _, exponent = text.partition("e")
    mantissa = mantissa.removesuffix(".0")
    return rf"{mantissa}{{\times}}10^{{{int(exponent)}}}" if exponent else mantissa


def _comment(formula: Formula) -> str:
    return "\n".join(f"% {line}" for line in conventions(formula))
