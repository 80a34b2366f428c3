"""Draws docs/functions.png: one component of each profile, orange where it adds and violet where it takes away.

Command: make picture   (or python -m docs.make_functions_picture; a few seconds)
"""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

import gmjax
from gmjax.profiles import PROFILES, Profile

SHAPE, COLUMNS = (160, 160), 6
OUT = Path(__file__).with_name("functions.png")
# What tells a profile of several terms from a Gaussian: its weights, and its parameters.
WEIGHTS = {
    "mexican_hat": [1, -1],
    "hermite1": [0, 1, 0],
    "hermite2": [0, 0, 0, 0, 1, 0],
    "hermite3": [0, 0, 0, 0, 0, 0, 1, 0, -3, 0],
    "gabor": [1, 0],
    "edge": [0, 1],
}
PARAMETERS = {"generalised": [np.log(4)], "gabor": [2.8, 2.8], "edge": [3, 3, 0]}


def main() -> None:
    rows = -(-len(PROFILES) // COLUMNS)
    figure = Figure(figsize=(1.6 * COLUMNS, 1.8 * rows), layout="constrained")
    every = figure.subplots(rows, COLUMNS).flat
    for axes, (name, profile) in zip(every, PROFILES.items(), strict=False):
        picture = np.asarray(gmjax.render(component(profile), SHAPE))
        axes.imshow(picture / np.abs(picture).max(), cmap="PuOr_r", vmin=-1, vmax=1)
        axes.set(xticks=[], yticks=[])
        axes.set_xlabel(name, fontsize="medium")
        axes.spines[:].set_color("0.8")
    for axes in list(figure.axes)[len(PROFILES) :]:
        axes.set_visible(False)
    figure.savefig(OUT, dpi=100)


def component(profile: Profile) -> gmjax.Atoms:
    """In the middle, as wide at half its height as every other."""
    weights = jnp.asarray([WEIGHTS.get(profile.name, [1])], float)
    parameters = jnp.asarray(PARAMETERS.get(profile.name, [])).reshape(1, -1)
    side = 5.5 * profile.narrowing
    return gmjax.Atoms(weights, jnp.full((1, 2), 0.5), jnp.asarray([[side, 0, side]]), parameters, profile, offset=0.5)


if __name__ == "__main__":
    main()
