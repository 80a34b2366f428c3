"""Other elementary functions than the Gaussian, at equal numbers of parameters (the paper's conclusion asks for them).

Every profile of gmjax.profiles is fitted to the same faces by the same solver, "lm", from an even grid, with as many
components as its numbers allow: mean MSE and PAE (largest absolute error), and seconds a face. A picture shows one
component of each, one fit, and what it misses.

Command:   python -m experiments.functions --also ../shared/data/london
Cost:      half an hour on two cores, most of it compilation; with --full several hours
Expected:  the Mexican hat and Hermite polynomials of degree 2 at least 10 % below the Gaussian at 480 numbers
"""

import dataclasses
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

import gmjax
from experiments import collection, script
from experiments.cache import Cache
from experiments.report import Report
from gmjax import plotting
from gmjax.profiles import PROFILES
from gmjax.solvers.config import PAE_WEIGHT

GAUSSIAN, BETTER = "gaussian", ("mexican_hat", "hermite2")


@dataclasses.dataclass(frozen=True)
class Config(collection.Options):
    profiles: tuple[str, ...] = tuple(PROFILES)
    """The profiles to compare."""

    numbers: tuple[int, ...] = (240, 480)
    """How many numbers describe a face, without channels."""

    steps: tuple[int, ...] = (80,)
    """Steps of the solver: short and long fits."""

    faces: int = 4
    """Faces of each collection, evenly spaced."""


FULL = Config(numbers=(120, 240, 480, 960), steps=(80, 480), faces=12)


def run(config: Config, cached: Cache) -> Report:
    report = Report("Other elementary functions, at equal numbers")
    collections = collection.collections(config)
    for name, faces in collections.items():
        images = faces.images[:: max(1, len(faces.images) // config.faces)][: config.faces]
        for steps in config.steps:
            found = {
                (profile, count): cached(fits, images, profile, components(profile, count), steps)
                for profile in config.profiles
                for count in config.numbers
            }
            report.text(
                f'{name}, {len(images)} faces, "lm" with {steps} steps from an even grid: mean MSE in units of 1e-4, '
                "PAE, and seconds a face; in brackets m."
            )
            rows = [
                (profile, *(cell(found[profile, count], components(profile, count)) for count in config.numbers))
                for profile in config.profiles
            ]
            report.table(("profile", *(f"{count} numbers" for count in config.numbers)), rows)
            compare(report, config, name, steps, found)
    most = max(config.numbers)
    report.figure(
        "functions",
        draw(images[0], {profile: found[profile, most] for profile in config.profiles}),
        f"One component of each profile (its last term), a face with {most} numbers, and what the fit misses",
    )
    return report


def components(profile: str, numbers: int) -> int:
    return max(1, round(numbers / PROFILES[profile].numbers))


def fits(images, profile: str, num_components: int, steps: int) -> dict[str, Any]:
    """The fits of one profile; ``drawn``: of the first face."""
    config = gmjax.FitConfig(num_components, profile=profile, solver="lm", steps=steps, pae_weight=PAE_WEIGHT)
    jax.block_until_ready(gmjax.fit(images[0], config=config).params)  # compiles
    began = time.perf_counter()
    results = [gmjax.fit(image, config=config) for image in images]
    mse, pae = (np.array([getattr(result.info, figure) for result in results]) for figure in ("mse", "pae"))
    drawn = np.asarray(gmjax.render(results[0].params, images[0].shape[:2]))
    return {"mse": mse, "pae": pae, "seconds": (time.perf_counter() - began) / len(images), "drawn": drawn}


def cell(found: dict[str, Any], m: int) -> str:
    return f"{1e4 * found['mse'].mean():.2f}, {found['pae'].mean():.3f}, {found['seconds']:.1f} s ({m})"


def compare(report: Report, config: Config, name: str, steps: int, found) -> None:
    for profile in BETTER:
        if {profile, GAUSSIAN} <= set(config.profiles) and 480 in config.numbers:
            ratio = found[profile, 480]["mse"].mean() / found[GAUSSIAN, 480]["mse"].mean()
            claim = f"{name}: MSE of {profile} over that of the Gaussian, 480 numbers, {steps} steps"
            report.compare(claim, "at most 0.9", f"{ratio:.2f}", ratio <= 0.9, "other faces, and a solver that grows")


def draw(face, found: dict[str, dict[str, Any]]) -> Figure:
    figure = Figure(figsize=(1.3 * len(found), 4.2), layout="constrained")
    u, v = np.meshgrid(np.linspace(-3, 3, 61), np.linspace(-3, 3, 61), indexing="ij")
    for column, (name, result) in enumerate(found.items()):
        profile = PROFILES[name]
        term = profile.values(jnp.asarray(u), jnp.asarray(v), [p.start for p in profile.parameters])[-1]
        pictures = np.asarray(term) / np.abs(term).max() / 2 + 0.5, result["drawn"], 0.5 + 2 * (result["drawn"] - face)
        for row, picture in enumerate(pictures):
            axes = figure.add_subplot(3, len(found), row * len(found) + column + 1)
            plotting.draw_picture(axes, picture, name.replace("_", "\n") if row == 0 else "")
    return figure


if __name__ == "__main__":
    script.main("functions")
