"""GmFace against other codes of as many numbers: DCT, eigenfaces, the paper's recipe, PyTorch.

The first picture of each of 20 people (--full: of everyone) in 120, 240, 480 and 960 numbers: m = 20 to 160 components,
fitted from the common face of the collection. The eigenfaces are those of all other people in all collections. PyTorch,
if it is installed (extra bench), fits a few faces with the paper's recipe. For files of equal bytes see compact.py.

Command:   python -m experiments.controls [--also FOLDER]
Cost:      3 minutes on 2 cores for each collection
Expected:  on the London faces with 480 numbers: zigzag DCT about 1e-3, best DCT 5.0e-4 to 5.5e-4, lm below both
"""

import dataclasses
import importlib.metadata
import importlib.util
import time

import numpy as np
from matplotlib.figure import Figure

import gmjax
from experiments import codecs, collection, script
from experiments.cache import Cache
from experiments.figures import grid_of_pictures, plain_axes
from experiments.models import common_face, fits_from, one_of
from experiments.progress import progress
from experiments.report import Report
from gmjax.data import Faces
from gmjax.errors import GmjaxError

LM, PAPER = "GmFace, lm", "GmFace, paper's recipe"
ZIGZAG, BEST, COUNTED, PCA = "DCT, zigzag", "DCT, best", "DCT, best, positions counted", "eigenfaces"
DCTS = {ZIGZAG: codecs.zigzag_dct, BEST: codecs.best_dct, COUNTED: codecs.counted_dct}
CONTROLS = PAPER, ZIGZAG, BEST, COUNTED, PCA
WHY_WORSE = {BEST: "the positions of its coefficients are not counted", PCA: "their basis is not counted"}
PAPER_STEPS = 2000
# The magnification of errors in the figure.
GAIN = 4


@dataclasses.dataclass(frozen=True)
class Config(collection.Options):
    components: tuple[int, ...] = (20, 40, 80, 160)
    """Numbers of components m, of 6 numbers each."""

    people: int | None = 20
    """Number of people from each collection; None: all."""

    torch_faces: int = 3
    """Number of faces to fit with PyTorch too."""

    steps: int | None = None
    """Steps of each fit; None: the default of its recipe."""


FULL = Config(people=None, torch_faces=10)


def run(config: Config, cached: Cache) -> Report:
    report = Report("Controls at the same number of parameters")
    config = dataclasses.replace(config, components=tuple(sorted(set(config.components))))
    everything = collection.collections(config)
    if sum(len(collection.one_per_person(faces)) for faces in everything.values()) < 2:
        raise GmjaxError("the collections show one person only, and the eigenfaces need other people: add pictures")
    errors, numbers = {}, [6 * m for m in config.components]
    for name, whole in everything.items():
        faces = collection.one_per_person(whole, config.people)
        starts = [cached(common_face, whole.images, "lm", m, config.steps).params for m in config.components]
        fits = {
            code: [cached(fits_from, faces.images, start, recipe_name, config.steps) for start in starts]
            for code, recipe_name in ((LM, "lm"), (PAPER, "paper"))
        }
        found, pictures = cached(errors_of_controls, faces, name, everything, numbers)
        errors[name] = {code: np.stack([fit.mse for fit in fits[code]]) for code in fits} | found
        add_errors(report, name, faces, numbers, errors[name])
        if name == collection.name_of(config):
            example = draw_example(faces.images[0], fits, pictures, numbers)
            middle = len(starts) // 2
            ours = fits[PAPER][middle].mse[: config.torch_faces]
            add_pytorch(report, cached, faces.images[: config.torch_faces], starts[middle], ours, config.steps)
    report.figure(
        "rate_distortion",
        draw_curves(errors, numbers),
        "Rate-distortion curves: mean MSE against the count of stored numbers",
    )
    report.figure(
        "controls",
        example,
        f"The error of each code on one face of {collection.name_of(config)}, magnified {GAIN} times, on mid-gray",
    )
    return report


def errors_of_controls(faces: Faces, name: str, everything: dict[str, Faces], numbers: list[int]):
    """The MSE of each control (numbers, faces), and the first face decoded from each of ``numbers``."""
    errors: dict[str, list] = {code: [] for code in (*DCTS, PCA)}
    first: dict[str, list] = {}
    for image, file in zip(progress(faces.images, label="controls", unit="face"), faces.names, strict=True):
        others = [
            other
            for collection_name, whole in everything.items()
            for other, other_file in zip(whole.images, whole.names, strict=True)
            if collection_name != name or collection.person_of(other_file) != collection.person_of(file)
        ]
        codes = DCTS | {PCA: codecs.eigenface_code(np.stack(others))}
        for label, code in codes.items():
            pictures = [code(image, count) for count in numbers]
            errors[label].append([np.mean((picture - image) ** 2) for picture in pictures])
            first.setdefault(label, pictures)
    return {label: np.array(rows).T for label, rows in errors.items()}, first


def add_errors(report: Report, name: str, faces: Faces, numbers: list[int], errors: dict[str, np.ndarray]) -> None:
    report.text(
        f"**{name}**, {len(faces)} people: mean MSE in units of 1e-4, by the count of stored numbers; in parentheses, "
        "on how many of the faces GmFace (lm) is better. DCT, best: the largest coefficients, without storing their "
        "positions; positions counted: half as many. The eigenfaces themselves are not counted, and where there are "
        "fewer of them than numbers, all are used."
    )
    rows = []
    for code in (LM, *CONTROLS):
        better = np.sum(errors[LM] < errors[code], axis=1)
        parentheses = [f" ({count})" if code != LM else "" for count in better]
        rows.append((code, *(f"{1e4 * e.mean():.2f}{p}" for e, p in zip(errors[code], parentheses, strict=True))))
    report.table(("code", *map(str, numbers)), rows)
    for code in CONTROLS:
        claim = f"{name}: mean MSE of lm below that of {code}, at {listed(numbers)} numbers"
        compare(report, claim, numbers, errors[LM], errors[code], WHY_WORSE.get(code, "see the table"))


def compare(report: Report, claim: str, sizes: list[int], ours, theirs, why: str) -> None:
    """Claims that the mean of ``ours`` is below that of ``theirs``, both (sizes, faces), at all ``sizes``."""
    worse = [size for size, mine, other in zip(sizes, ours, theirs, strict=True) if mine.mean() >= other.mean()]
    measured = f"not at {listed(worse)}" if worse else "at all"
    report.compare(claim, "at all", measured, not worse, why)


def listed(sizes: list[int]) -> str:
    return ", ".join(map(str, sizes))


def add_pytorch(
    report: Report, cached: Cache, images, start: gmjax.GmFace, ours: np.ndarray, steps: int | None
) -> None:
    """The paper's recipe in eager PyTorch and, ``ours``, the MSE of gmjax with it, from the same start."""
    if importlib.util.find_spec("torch") is None:
        report.text("PyTorch is not installed (extra bench), so the comparison with a PyTorch GmNet is left out.")
        return
    theirs, seconds = cached(fits_by_pytorch, images, start, steps or PAPER_STEPS, importlib.metadata.version("torch"))
    report.text(
        f"The paper's recipe in an eager PyTorch GmNet (experiments/pytorch.py), m = {start.num_components}, on the "
        f"first {len(images)} of these faces: mean MSE {1e4 * theirs.mean():.2f}; gmjax with the same recipe: "
        f"{1e4 * ours.mean():.2f} (both in units of 1e-4). PyTorch takes {seconds:.1f} s per face. It optimises L "
        "itself, gmjax the logarithms of its diagonal."
    )


def fits_by_pytorch(images, start: gmjax.GmFace, steps: int, version: str) -> tuple[np.ndarray, float]:
    """The MSE of each image after ``steps``, and the seconds per face; ``version`` is PyTorch's, for the cache."""
    from experiments import pytorch

    began, errors = time.perf_counter(), []
    for image in progress(images, label="PyTorch", unit="face"):
        training = pytorch.EagerTraining(start, image, 0.1)
        for _ in range(steps):
            training.step()
        errors.append(np.mean((training.net().detach().numpy() - image) ** 2))
    return np.array(errors), (time.perf_counter() - began) / len(images)


def draw_curves(errors, numbers: list[int]) -> Figure:
    figure = Figure(figsize=(4.6 * len(errors), 3.6), layout="constrained")
    first = None
    for position, (name, codes) in enumerate(errors.items(), start=1):
        axes = plain_axes(
            figure,
            1,
            len(errors),
            position,
            sharey=first,
            title=name,
            xlabel="stored numbers",
            xscale="log",
            yscale="log",
        )
        first = first or axes
        for code, values in codes.items():
            axes.plot(numbers, values.mean(axis=1), "o-", label=code, linewidth=2 if code == LM else 1, markersize=4)
        axes.set_xticks(numbers, [str(number) for number in numbers])
        axes.xaxis.minorticks_off()
        axes.legend(frameon=False, fontsize="small")
    first.set_ylabel("mean MSE")
    return figure


def draw_example(image: np.ndarray, fits, pictures, numbers: list[int]) -> Figure:
    rendered = {
        code: [gmjax.render(one_of(fit.params, 0), image.shape) for fit in found] for code, found in fits.items()
    }
    rows = {
        code: [0.5 + GAIN * (np.asarray(picture) - image) for picture in row]
        for code, row in (rendered | pictures).items()
        if code != COUNTED
    }
    return grid_of_pictures(rows, [f"{number} numbers" for number in numbers], side=1.5)


if __name__ == "__main__":
    script.main("controls")
