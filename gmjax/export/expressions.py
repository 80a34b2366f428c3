"""The expressions of a kind of formula, ``exp(-q)`` for example, in the notation of a language.

They are written with names, numbers with a point, + - * /, parentheses, and the functions exp, sqrt, cos and log.
"""

import ast
import re
from collections.abc import Mapping

import numpy as np

TexStyle = Mapping[str, str]
"""How products, quotients, parentheses and functions are written in a dialect of LaTeX, with {} for what they hold."""


def names_in(expression: str) -> set[str]:
    return {node.id for node in ast.walk(ast.parse(expression, mode="eval")) if isinstance(node, ast.Name)}


def holds_together(expression: str) -> bool:
    """Whether it needs no parentheses as a factor."""
    return isinstance(ast.parse(expression, mode="eval").body, ast.Name | ast.Call)


def in_code(expression: str, prefix: str = "") -> str:
    """For programming languages: they differ in the ``prefix`` of functions, such as ``Math.``."""
    return re.sub(r"\b\w+(?=\()", lambda function: prefix + function[0], expression)


def in_text(expression: str, names: Mapping[str, str]) -> str:
    """With the ``names`` replaced by text, which must hold together by itself."""
    return re.sub(r"\b[a-z]\w*\b(?!\()", lambda name: names[name[0]], expression)


def in_tex(expression: str, names: Mapping[str, str], style: TexStyle) -> str:
    """With the ``names`` replaced by LaTeX, which must hold together by itself."""
    return _tex(ast.parse(expression, mode="eval").body, names, style)


def _tex(node: ast.expr, names: Mapping[str, str], style: TexStyle) -> str:
    match node:
        case ast.Name(name):
            return names[name]
        case ast.Constant(int() | float() as number):
            return np.format_float_positional(number, trim="-")
        case ast.UnaryOp(ast.USub(), operand):
            return f"-{_factor(operand, names, style)}"
        case ast.Call(ast.Name(function), [argument]):
            return style[function].format(_tex(argument, names, style))
        case ast.BinOp(left, ast.Mult(), right):
            return style["*"].format(_factor(left, names, style), _factor(right, names, style))
        case ast.BinOp(left, ast.Div(), right):
            return style["/"].format(_factor(left, names, style), _factor(right, names, style, ast.BinOp))
        case ast.BinOp(left, ast.Add(), right):
            return f"{_tex(left, names, style)}+{_tex(right, names, style)}"
        case ast.BinOp(left, ast.Sub(), right):
            return f"{_tex(left, names, style)}-{_factor(right, names, style)}"
    raise NotImplementedError(ast.unparse(node))


def _factor(node: ast.expr, names: Mapping[str, str], style: TexStyle, also: type = ast.UnaryOp) -> str:
    """In parentheses if it is a sum or has a sign; ``also``: other nodes that need them."""
    text = _tex(node, names, style)
    is_sum = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub)
    return style["("].format(text) if is_sum or isinstance(node, ast.UnaryOp | also) else text
