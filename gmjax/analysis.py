"""Which components of a model matter most: the paper's order (Fig. 9), and one by the error without them."""

import numpy as np
from jaxtyping import Array, Float, Int

from gmjax.gmface import GmFace, pixel_axes
from gmjax.sums.points import gaussians

# Relative to the mean diagonal of the Gram matrix: far below what a component contributes, far above float64 rounding.
_RIDGE = 1e-10
# Number of Gaussians times pixels that are stored at once.
_TERMS = 2**24


def order_by_weight(params: GmFace) -> Int[np.ndarray, " m"]:
    """Indices of the components by decreasing |weight|, the paper's order; for colour by the norm over channels."""
    return np.argsort(-_size_of_weights(np.asarray(params.weights, np.float64)), kind="stable")


def order_by_error(params: GmFace, shape: tuple[int, int], *, offset: float = 1.0) -> Int[np.ndarray, " m"]:
    """Indices of the components from the most important to the least, judged on the pixels of ``shape`` (H, W).

    Backward elimination: starting from all components, remove the one whose removal increases the mean squared error to
    the whole model least, after the weights of the others are solved for again; repeat until one is left. With weights
    w and Gram matrix G, removing component j costs w_j^2 / (G^-1)_jj. Computed on the host in float64.
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
    """The model with only the components ``which`` (k,), their weights unchanged.

    ``gmjax.solvers.starts.solve_weights`` finds the weights that are best without the other components.
    """
    return GmFace(params.weights[which], params.means[which], params.precision_chol[which])


def _size_of_weights(weights: Float[np.ndarray, "m *c"]) -> Float[np.ndarray, " m"]:
    return np.abs(weights) if weights.ndim == 1 else np.linalg.norm(weights, axis=1)


def _gram(params: GmFace, shape: tuple[int, int], offset: float) -> Float[np.ndarray, "m m"]:
    """The Gram matrix: the mean over pixels of the product of each pair of Gaussians."""
    rows, columns = pixel_axes(shape, offset, params.means.dtype)
    m, gram = params.num_components, np.zeros((params.num_components,) * 2)
    band = max(1, _TERMS // (m * shape[1]))
    for first in range(0, shape[0], band):
        band_of_rows = rows[first : first + band, None]
        g = np.asarray(gaussians(params.means, params.precision_chol, band_of_rows, columns[None]), np.float64)
        g = g.reshape(m, -1)
        gram += g @ g.T
    return gram / (shape[0] * shape[1])
