"""Error against time for every solver at several numbers of steps, and for the paper's recipe.

Input: ORL faces 1, 151 and 301, aligned, 120 x 120, m = 80 from the published common face; or, with
`make bench ONLY=solvers DATA=FOLDER`, the first pictures of a folder with `eyes.csv`. Every setting fits every face, in
turn; times are medians without compilation, MSE is the mean over the faces.
Expected: the error of every solver is well below that of the paper's recipe in the same time.
"""

import time
from pathlib import Path

import jax
import matplotlib
import numpy as np

import gmjax
from experiments.markdown import table
from gmjax.data import load_folder, orl_faces
from gmjax.solvers.config import SOLVERS

FIGURE = Path(__file__).with_name("mse_against_time.png")
STEPS = {"adam": (100, 250, 500, 1000, 2000), "lm": (16, 32, 64, 96, 176, 352, 704)}
FACES = 3


def run(data: Path | None = None) -> str:
    images = orl_faces().images[::150] if data is None else load_folder(data).images[:FACES]
    settings = {("paper", 2000): gmjax.FitConfig.paper(steps=2000)}
    settings |= {(name, n): gmjax.FitConfig(solver=name, steps=n) for name in SOLVERS for n in STEPS[name]}
    seconds, errors = ({setting: [] for setting in settings} for _ in range(2))
    start = gmjax.published_common_face()
    images = jax.numpy.asarray(images)
    for config in settings.values():
        jax.block_until_ready(gmjax.fit(images[0], start, config=config))
    for image in images:
        for setting, config in settings.items():
            began = time.perf_counter()
            errors[setting].append(float(gmjax.fit(image, start, config=config).info.mse))
            seconds[setting].append(time.perf_counter() - began)
    found = {s: (float(np.median(seconds[s])), float(np.mean(errors[s]))) for s in settings}
    _draw(found)
    rows = [(*setting, *point) for setting, point in found.items()]
    return table(("solver", "steps", "seconds per face", "mean MSE"), rows) + f"\n\n![MSE against time]({FIGURE.name})"


def _draw(found) -> None:
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(5, 3.5), layout="constrained")
    for name in dict.fromkeys(name for name, _ in found):
        points = [(*point, steps) for (other, steps), point in found.items() if other == name]
        axes.loglog(*np.array([point[:2] for point in points]).T, "o-", label=name)
        for *point, steps in points:
            axes.annotate(str(steps), point, textcoords="offset points", xytext=(4, 4), fontsize=7)
    axes.set(xlabel="seconds per face", ylabel="mean MSE")
    axes.grid(which="both", alpha=0.3)
    axes.legend()
    figure.savefig(FIGURE, dpi=80)
    plt.close(figure)
