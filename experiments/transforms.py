"""Figs. 10 to 12: the face translated, scaled and rotated by its parameters, beside resampled pixels.

The published common face with the paper's values. The truth is the formula at the mapped positions; against it stand
the moved parameters drawn, and the drawn face resampled, bilinear and cubic (scipy.ndimage), over those pixels whose
source lies at least three pixels inside the picture. Below, a full turn in steps of 30 degrees, each made from the one
before.

Command:   python -m experiments.transforms
Cost:      seconds
Expected:  the moved parameters exact to rounding (1e-5); resampling exact for whole pixels, else with errors up to
           some 1e-3 to 1e-2, which add up over the steps
"""

import dataclasses
import math

import numpy as np
from scipy.ndimage import map_coordinates

import gmjax
from experiments import collection, script
from experiments.figures import grid_of_pictures
from experiments.kept import Kept
from experiments.report import Report

ORDERS = {"bilinear": 1, "cubic": 3}
MIDDLE = 0.5, 0.5
# Pixels at the edges whose errors are those of the edge.
BORDER = 3
# Of the errors in the picture.
GAIN = 50


@dataclasses.dataclass(frozen=True)
class Config(collection.Options):
    pass


FULL = Config()


@dataclasses.dataclass(frozen=True)
class Move:
    """A picture at x is another one at ``matrix`` x + ``offset``; ``params`` has moved so."""

    params: gmjax.GmFace
    matrix: np.ndarray
    offset: np.ndarray


def moves(face: gmjax.GmFace) -> dict[str, dict[str, Move]]:
    """The paper's, by figure and name; and a translation that is not of whole pixels."""

    def translated(delta):
        return Move(gmjax.translate(face, delta), np.eye(2), -np.array(delta))

    shifts = {
        "left": (0, -0.2),
        "right": (0, 0.2),
        "up": (-0.2, 0),
        "down": (0.2, 0),
        "4.5 pixels": (0, 0.0375),
    }
    return {
        "Fig. 10": {name: translated(delta) for name, delta in shifts.items()},
        "Fig. 11": {f"k = {k:g}": Move(gmjax.scale(face, k), k * np.eye(2), np.zeros(2)) for k in (0.5, 2.0)},
        "Fig. 12": {f"{degrees} degrees": rotated(face, degrees) for degrees in (30, 45, 60, 90)},
    }


def rotated(face: gmjax.GmFace, degrees: float) -> Move:
    angle = math.radians(degrees)
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    return Move(gmjax.rotate(face, angle), turn, MIDDLE - turn @ MIDDLE)


def run(config: Config, kept: Kept) -> Report:
    report = Report("Figs. 10 to 12: transformations", faces="the published common face")
    face, shape = gmjax.published_common_face(), (config.size, config.size)
    whole = np.asarray(gmjax.render(face, shape))
    rows, exact = [], 0.0
    pictures: dict[str, list[np.ndarray]] = {}
    for figure, cases in moves(face).items():
        for name, move in cases.items():
            positions = np.asarray(gmjax.pixel_grid(shape)) @ move.matrix.T + move.offset
            truth = np.asarray(gmjax.gmface(face, np.float32(positions)))
            drawn = np.asarray(gmjax.render(move.params, shape))
            inside = is_inside(positions, shape)
            ways = {way: resampled(whole, positions, order) for way, order in ORDERS.items()}
            errors = {way: picture - truth for way, picture in ways.items()}
            largest = float(np.abs(drawn - truth).max())
            exact = max(exact, largest)
            cells = (f"{np.mean(e[inside] ** 2):.1e}, {np.abs(e[inside]).max():.1e}" for e in errors.values())
            rows.append((figure, name, f"{100 * inside.mean():.0f} %", f"{largest:.1e}", *cells))
            shown = {"parameters": drawn} | ways
            shown |= {f"{GAIN} x error, {way}": 0.5 + GAIN * inside * error for way, error in errors.items()}
            for label, picture in shown.items():
                pictures.setdefault(label, []).append(picture)
    report.say(
        f"The published common face, {config.size} x {config.size}. Parameters: the largest difference anywhere to the "
        "formula at the mapped positions. Resampling: MSE and largest difference, where the source lies "
        f"{BORDER} pixels inside or more."
    )
    report.table(("", "move", "source inside", "parameters", *ORDERS), rows)
    report.compare(
        "moved parameters are the formula at the mapped positions",
        "exactly",
        f"to {exact:.1e}",
        exact < 2e-5,
        "rounding",
    )
    report.figure(
        "fig10_12",
        grid_of_pictures(pictures, [row[1] for row in rows], side=1.0),
        "Figs. 10 to 12: parameters moved, where beyond its own edges the formula goes on; and pixels resampled",
    )
    tell_turn(report, face, whole)
    return report


def tell_turn(report: Report, face: gmjax.GmFace, whole: np.ndarray) -> None:
    move, shape = rotated(face, 30), whole.shape
    positions = np.asarray(gmjax.pixel_grid(shape)) @ move.matrix.T + move.offset
    middle = np.linalg.norm(np.asarray(gmjax.pixel_grid(shape)) - MIDDLE, axis=-1) < 0.45
    ends = {"parameters": face} | dict.fromkeys(ORDERS, whole)
    for _ in range(12):
        ends["parameters"] = rotated(ends["parameters"], 30).params
        ends |= {way: resampled(ends[way], positions, order) for way, order in ORDERS.items()}
    ends["parameters"] = np.asarray(gmjax.render(ends["parameters"], shape))
    rows = [
        (way, f"{np.mean((end - whole)[middle] ** 2):.1e}", f"{np.abs(end - whole)[middle].max():.1e}")
        for way, end in ends.items()
    ]
    report.say("A full turn in twelve steps of 30 degrees, in the disc that never leaves the picture:")
    report.table(("", "MSE", "largest difference"), rows)
    report.say(
        "All this is the error of moving. A photograph has first to be written as a formula, which costs more than "
        "one resampling does (Table 4): the parameters win where a model is moved, often or to any size, not where a "
        "photograph is turned once."
    )


def is_inside(positions: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """At least ``BORDER`` pixels from the outermost ones, to the rounding of float32."""
    index = positions * shape - 1
    return np.all((index > BORDER - 1e-3) & (index < np.array(shape) - 1 - BORDER + 1e-3), axis=-1)


def resampled(picture: np.ndarray, positions: np.ndarray, order: int) -> np.ndarray:
    index = np.moveaxis(positions * picture.shape - 1, -1, 0)
    return map_coordinates(picture.astype(np.float64), index, order=order, mode="nearest")


if __name__ == "__main__":
    script.main("transforms")
