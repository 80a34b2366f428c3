"""Value and gradient of the MSE at increasing sizes, gray and colour: the sum used by fits against the dense sum.

Input: an ORL face, enlarged and with a fine texture, and m components on an even grid. Up to 256 x 256, value and
gradient are checked to agree to 1e-3 of the largest entry; at 512 x 512 each side is called only once. Expected: gmjax
is nowhere slower. The dense sum is left out where its arrays of m x pixels do not fit in memory.
"""

import os

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import dense
from benchmarks.faces import grid_model, large_picture
from benchmarks.timing import alternately
from experiments.markdown import table
from gmjax.gmface import on_axes, pixel_axes

SIZES = ((120, 80), (256, 500), (512, 2000))
# Arrays of m x pixels float32 that the dense sum and its derivative hold.
_ARRAYS = 6


def run() -> str:
    rows = []
    for side, components in SIZES:
        for color in (False, True):
            image = jnp.asarray(large_picture(side, color=color))
            params = grid_model(components, color=color)
            sides = {"gmjax": _value_and_grad(_as_fitted, params, image)}
            if _ARRAYS * 4 * components * side**2 < os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES"):
                sides["dense"] = _value_and_grad(dense.render, params, image)
                if side < 400:
                    _check_the_same(*(call() for call in sides.values()))
            seconds = alternately(sides, rounds=15 if side < 200 else 5 if side < 400 else 1, warm_up=side < 400)
            ours, theirs = seconds["gmjax"], seconds.get("dense", float("nan"))
            kind = "colour" if color else "gray"
            rows.append((f"{side} x {side}", components, kind, 1e3 * ours, 1e3 * theirs, ours / theirs))
    return table(("picture", "m", "channels", "gmjax, ms", "dense, ms", "ratio"), rows)


def _as_fitted(params, shape):
    return on_axes(params, *pixel_axes(shape, dtype=params.means.dtype))


def _value_and_grad(render, params, image):
    """A function without arguments that calls the compiled value and gradient."""

    def loss(params, image):
        return jnp.mean((render(params, image.shape[:2]) - image) ** 2)

    compiled = jax.jit(jax.value_and_grad(loss)).lower(params, image).compile()
    return lambda: compiled(params, image)


def _check_the_same(one, other) -> None:
    np.testing.assert_allclose(one[0], other[0], rtol=1e-3)
    for a, b in zip(jax.tree.leaves(one[1]), jax.tree.leaves(other[1]), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-3 * np.abs(b).max(), rtol=0)
