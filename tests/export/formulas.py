"""Formulas of several kinds, and their values in float64: those of gmjax, and kinds that only these tests have."""

import dataclasses

import numpy as np

from gmjax import GmFace
from gmjax.export.formula import KINDS, Formula, Kind, formula_of

POINTS = np.random.default_rng(1).uniform(-0.2, 1.2, size=(24, 2))
"""Positions in and around the picture."""

# The terms of each kind as functions of u, v and the parameters, for comparison.
VALUES = {
    "gaussian": lambda u, v: [np.exp(-(u**2) - v**2)],
    "profile": lambda u, v: [np.exp(-(u**2) - v**2), (u**2 + v**2) * np.exp(-(u**2) - v**2)],
    "cauchy": lambda u, v: [1 / (1 + u**2 + v**2)],
    "wave": lambda u, v, k: [
        np.exp(-np.sqrt(u**2 + v**2)) * np.cos(k * u - v),
        -np.log(2 + u**2) / (2 * (k + u**2 + v**2)),
    ],
}


def _made(terms, parameters=()) -> Kind:
    return Kind("components", terms, KINDS[GmFace].numbers, parameters)


_KINDS = {
    "gaussian": KINDS[GmFace],
    "profile": _made({"g": "exp(-q)", "h": "q*g"}),
    "cauchy": _made({"g": "1.0/(1.0 + q)"}),
    "wave": _made({"g": "exp(-sqrt(q))*cos(k*u - v)", "h": "-log(2.0 + u*u)/(2.0*(k + q))"}, ("k",)),
}


def formula(name: str = "gaussian", channels: int | None = None, dtype=np.float64) -> Formula:
    """Four components, one of them almost a line and one with numbers that need exponents, on a grid of its own."""
    random, kind = np.random.default_rng(7), _KINDS[name]
    weights = random.normal(size=(4, len(kind.terms), channels or 1)).astype(dtype)
    means = np.array([[0.25, 0.7], [-0.05, 0.4], [1.0, 0.0], [0.625, 2.5e-07]], dtype)
    chol = np.array([[3.5, -1.2, 5.1], [40.0, 39.5, 2.0], [1.5e-05, 0.0, 0.9], [7.25, 2.0, 4.0]], dtype)
    extra = random.uniform(1, 3, size=(4, len(kind.parameters))).astype(dtype)
    params = GmFace(weights[:, 0] if channels else weights[:, 0, 0], means, chol, 0.25)
    made = dataclasses.replace(formula_of(params, shape=(20, 30)), kind=kind)
    return dataclasses.replace(made, weights=weights, extra=extra)


CASES = [(name, channels) for name in VALUES for channels in (None, 3)] + [("gaussian", 1)]
FORMULAS = [formula(*case) for case in CASES]
NAMES = [f"{name}-{channels or 'gray'}" for name, channels in CASES]


def values(case: int, x: np.ndarray) -> np.ndarray:
    """(n,) or (n, C) at ``x`` (n, 2), from the numbers of ``FORMULAS[case]``."""
    made, terms = FORMULAS[case], VALUES[CASES[case][0]]
    total = np.zeros((len(x), made.weights.shape[2]))
    for weight, mean, (l11, l21, l22), extra in zip(made.weights, made.means, made.chol, made.extra, strict=True):
        u, v = ((x - mean) @ np.array([[l11, 0.0], [l21, l22]])).T
        total += sum(np.outer(term, w) for term, w in zip(terms(u, v, *extra), weight, strict=True))
    return total[:, 0] if made.channels is None else total
