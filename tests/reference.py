"""The formula and its derivatives in float64 NumPy, written from the paper's equations without any of gmjax."""

import numpy as np


def parts(params):
    return [np.asarray(part, np.float64) for part in (params.weights, params.means, params.precision_chol)]


def differences(params, x):
    """d = x - mu, (m, n, 2), and the Gaussians g, (m, n), at ``x`` (n, 2)."""
    _, means, chol = parts(params)
    d = np.asarray(x, np.float64)[None] - means[:, None]
    g = np.empty(d.shape[:2])
    for i, (l11, l21, l22) in enumerate(chol):
        factor = np.array([[l11, 0.0], [l21, l22]])
        g[i] = np.exp(-np.einsum("nj,jk,nk->n", d[i], factor @ factor.T, d[i]))
    return d, g


def formula(params, x):
    """GmFace(x), (n,) or (n, C): equation (2)."""
    return np.einsum("mn,m...->n...", differences(params, x)[1], parts(params)[0])


def gradient(params, x, cotangent):
    """The gradient of sum_n cotangent_n GmFace(x_n) for a gray model: equations (7), (8), (9)."""
    weights, _, chol = parts(params)
    d, g = differences(params, x)
    d_means, d_chol = np.empty((len(weights), 2)), np.empty((len(weights), 3))
    for i, (l11, l21, l22) in enumerate(chol):
        factor = np.array([[l11, 0.0], [l21, l22]])
        scaled = cotangent * weights[i] * g[i]
        d_means[i] = 2 * scaled @ d[i] @ factor @ factor.T
        matrix = -2 * np.einsum("n,nj,nk->jk", scaled, d[i], d[i] @ factor)
        d_chol[i] = matrix[0, 0], matrix[1, 0], matrix[1, 1]
    return g @ cotangent, d_means, d_chol
