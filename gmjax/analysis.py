"""Which components of a model matter most (paper, IV: Fig. 9, and a better order)."""

import numpy as np
from jaxtyping import Array, Float, Int

from gmjax.gmface import GmFace, pixel_axes
from gmjax.sums.points import gaussians

# Of the equations' mean diagonal: far below what a component adds, far above the rounding of float64.
_RIDGE = 1e-10
_TERMS = 2**24


def order_by_weight(params: GmFace) -> Int[np.ndarray, " m"]:
    """The components from the largest |weight| to the smallest, the paper's order; colours by their norm."""
    return np.argsort(-_size_of_weights(np.asarray(params.weights, np.float64)), kind="stable")


def order_by_error(params: GmFace, shape: tuple[int, int], *, offset: float = 1.0) -> Int[np.ndarray, " m"]:
    """The components from the one missed most to the one missed least, on the pixels of ``shape`` (H, W).

    From all of them, the one is left out without which the mean square error to the whole model grows least when the
    weights of the others are solved for again; and so on until one is left. Of m components with weights w and Gram
    matrix G, leaving out j costs w_j^2 / (G^-1)_jj. Computed on the host in float64.
    """
    gram = _gram(params, shape, offset)
    inverse = np.linalg.inv(gram + _RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram)))
    weights = np.asarray(params.weights, np.float64).reshape(len(gram), -1)
    left_out: list[int] = []
    for _ in range(len(gram)):
        pivots = np.diagonal(inverse)
        growth = np.sum(weights**2, axis=1) / np.where(pivots > 0, pivots, np.inf)
        growth[left_out] = np.inf
        j = int(np.argmin(growth))
        left_out.append(j)
        column = inverse[:, j] / inverse[j, j]
        weights = weights - np.outer(column, weights[j])
        inverse = inverse - np.outer(column, inverse[j])
    return np.array(left_out[::-1])


def take(params: GmFace, which: Int[Array, " k"] | Int[np.ndarray, " k"]) -> GmFace:
    """The model of the components ``which``, their weights as they are; ``solve_weights`` finds the best ones."""
    return GmFace(params.weights[which], params.means[which], params.precision_chol[which])


def _size_of_weights(weights: Float[np.ndarray, "m *c"]) -> Float[np.ndarray, " m"]:
    return np.abs(weights) if weights.ndim == 1 else np.linalg.norm(weights, axis=1)


def _gram(params: GmFace, shape: tuple[int, int], offset: float) -> Float[np.ndarray, "m m"]:
    """The mean over the pixels of the products of every two Gaussians."""
    rows, columns = pixel_axes(shape, offset, params.means.dtype)
    m, gram = params.num_components, np.zeros((params.num_components,) * 2)
    band = max(1, _TERMS // (m * shape[1]))
    for first in range(0, shape[0], band):
        band_of_rows = rows[first : first + band, None]
        g = np.asarray(gaussians(params.means, params.precision_chol, band_of_rows, columns[None]), np.float64)
        g = g.reshape(m, -1)
        gram += g @ g.T
    return gram / (shape[0] * shape[1])
