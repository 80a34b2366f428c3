"""Figs. 10 to 12: the face translated, scaled and rotated by its parameters, compared with resampling its pixels.

The published common face with the paper's transformations. The reference is the formula evaluated at the mapped
positions. It is compared with the rendering of the transformed parameters, and with the rendered face resampled by
bilinear and cubic interpolation (scipy.ndimage) at the pixels whose source is at least three pixels inside the picture.
At the end, a full turn in steps of 30 degrees, each computed from the one before.

Command:   python -m experiments.transforms
Cost:      seconds
Expected:  transformed parameters exact to rounding (1e-5); resampling exact for shifts by whole pixels, otherwise with
           errors up to about 1e-3 to 1e-2, which add up over the steps
"""

import dataclasses
import math

import numpy as np
from scipy.ndimage import map_coordinates

import gmjax
from experiments import collection, script
from experiments.cache import Cache
from experiments.figures import grid_of_pictures
from experiments.report import Report

ORDERS = {"bilinear": 1, "cubic": 3}
MIDDLE = 0.5, 0.5
# Closer to the border than this, in pixels, errors depend on how the picture is continued.
BORDER = 3
# The magnification of errors in the figure.
GAIN = 50


@dataclasses.dataclass(frozen=True)
class Config(collection.Options):
    pass


FULL = Config()


@dataclasses.dataclass(frozen=True)
class Transformation:
    """Transformed ``params``: at x they have the value of the original at ``matrix`` x + ``offset``."""

    params: gmjax.GmFace
    matrix: np.ndarray
    offset: np.ndarray


def transformations(face: gmjax.GmFace) -> dict[str, dict[str, Transformation]]:
    """The paper's by figure and name, and a translation by a fraction of pixels."""

    def translated(delta):
        return Transformation(gmjax.translate(face, delta), np.eye(2), -np.array(delta))

    shifts = {
        "left": (0, -0.2),
        "right": (0, 0.2),
        "up": (-0.2, 0),
        "down": (0.2, 0),
        "4.5 pixels": (0, 0.0375),
    }
    return {
        "Fig. 10": {name: translated(delta) for name, delta in shifts.items()},
        "Fig. 11": {f"k = {k:g}": scaled(face, k) for k in (0.5, 2.0)},
        "Fig. 12": {f"{degrees} degrees": rotated(face, degrees) for degrees in (30, 45, 60, 90)},
    }


def scaled(face: gmjax.GmFace, factor: float) -> Transformation:
    return Transformation(gmjax.scale(face, factor), factor * np.eye(2), np.zeros(2))


def rotated(face: gmjax.GmFace, degrees: float) -> Transformation:
    angle = math.radians(degrees)
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    return Transformation(gmjax.rotate(face, angle), turn, MIDDLE - turn @ MIDDLE)


def run(config: Config, cached: Cache) -> Report:
    report = Report("Figs. 10 to 12: transformations", subject="the published common face")
    face, shape = gmjax.published_common_face(), (config.size, config.size)
    whole = np.asarray(gmjax.render(face, shape))
    rows, largest_of_all = [], 0.0
    pictures: dict[str, list[np.ndarray]] = {}
    for figure, cases in transformations(face).items():
        for name, case in cases.items():
            positions = np.asarray(gmjax.pixel_grid(shape)) @ case.matrix.T + case.offset
            reference = np.asarray(gmjax.gmface(face, np.float32(positions)))
            rendered = np.asarray(gmjax.render(case.params, shape))
            inside = is_inside(positions, shape)
            by_pixels = {method: resampled(whole, positions, order) for method, order in ORDERS.items()}
            errors = {method: picture - reference for method, picture in by_pixels.items()}
            largest = float(np.abs(rendered - reference).max())
            largest_of_all = max(largest_of_all, largest)
            cells = (f"{np.mean(e[inside] ** 2):.1e}, {np.abs(e[inside]).max():.1e}" for e in errors.values())
            rows.append((figure, name, f"{100 * inside.mean():.0f} %", f"{largest:.1e}", *cells))
            shown = {"parameters": rendered} | by_pixels
            shown |= {f"{GAIN} x error, {method}": 0.5 + GAIN * inside * error for method, error in errors.items()}
            for label, picture in shown.items():
                pictures.setdefault(label, []).append(picture)
    report.text(
        f"The published common face, {config.size} x {config.size}. Parameters: the largest difference to the formula "
        "at the mapped positions, over all pixels. Resampling: MSE and largest difference, over the pixels whose "
        f"source is at least {BORDER} pixels inside the picture."
    )
    report.table(("figure", "transformation", "source inside", "parameters", *ORDERS), rows)
    report.compare(
        "largest difference of transformed parameters to the formula at the mapped positions",
        "below 2e-05",
        f"{largest_of_all:.1e}",
        largest_of_all < 2e-5,
        "rounding",
    )
    report.figure(
        "fig10_12",
        grid_of_pictures(pictures, [row[1] for row in rows], side=1.0),
        "Figs. 10 to 12: transformed parameters, where the formula continues beyond the picture, and resampled pixels",
    )
    add_full_turn(report, face, whole)
    return report


def add_full_turn(report: Report, face: gmjax.GmFace, whole: np.ndarray) -> None:
    step, shape = rotated(face, 30), whole.shape
    positions = np.asarray(gmjax.pixel_grid(shape)) @ step.matrix.T + step.offset
    disc = np.linalg.norm(np.asarray(gmjax.pixel_grid(shape)) - MIDDLE, axis=-1) < 0.45
    ends = {"parameters": face} | dict.fromkeys(ORDERS, whole)
    for _ in range(12):
        ends["parameters"] = rotated(ends["parameters"], 30).params
        ends |= {method: resampled(ends[method], positions, order) for method, order in ORDERS.items()}
    ends["parameters"] = np.asarray(gmjax.render(ends["parameters"], shape))
    rows = [
        (method, f"{np.mean((end - whole)[disc] ** 2):.1e}", f"{np.abs(end - whole)[disc].max():.1e}")
        for method, end in ends.items()
    ]
    report.text("A full turn in twelve steps of 30 degrees, over the disc that stays inside the picture:")
    report.table(("method", "MSE", "largest difference"), rows)
    report.text(
        "These are the errors of the transformation alone. A photograph must first be fitted by a formula, whose error "
        "is larger than that of one resampling (Table 4). Transforming parameters is better for a model that is "
        "transformed many times or to any size, not for a photograph that is rotated once."
    )


def is_inside(positions: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Which positions are at least ``BORDER`` pixels inside the picture, up to the rounding of float32."""
    index = positions * shape - 1
    return np.all((index > BORDER - 1e-3) & (index < np.array(shape) - 1 - BORDER + 1e-3), axis=-1)


def resampled(picture: np.ndarray, positions: np.ndarray, order: int) -> np.ndarray:
    index = np.moveaxis(positions * picture.shape - 1, -1, 0)
    return map_coordinates(picture.astype(np.float64), index, order=order, mode="nearest")


if __name__ == "__main__":
    script.main("transforms")
