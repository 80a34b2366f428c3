"""GmFace against other codes of the same size: DCT, eigenfaces, the paper's recipe, PyTorch, JPEG and WebP.

The first picture of each of 20 people (--full: of everyone) at 120, 240, 480 and 960 numbers: m = 20 to 160, from the
common face of the collection. Eigenfaces are those of all other people in all collections. By bytes: the numbers in
float16 against the best JPEG and WebP file that is no larger. PyTorch, where it is installed (extra bench), fits a few
faces with the paper's recipe.

Command:   python -m experiments.controls [--also FOLDER]
Cost:      3 minutes on 2 cores for each collection
Expected:  on London faces at 480 numbers zigzag DCT about 1e-3, best DCT 5.0e-4 to 5.5e-4, lm below both
"""

import dataclasses
import importlib.metadata
import importlib.util
import time

import jax
import numpy as np
from matplotlib.figure import Figure

import gmjax
from experiments import codecs, collection, script
from experiments.figures import grid_of_pictures, plain_axes
from experiments.following import following
from experiments.kept import Kept
from experiments.models import Fits, common_face, fits_from, one_of
from experiments.report import Report
from gmjax.data import Faces

LM, PAPER = "GmFace, lm", "GmFace, paper's recipe"
ZIGZAG, BEST, COUNTED, PCA = "DCT, zigzag", "DCT, best", "DCT, best, positions counted", "eigenfaces"
DCTS = {ZIGZAG: codecs.zigzag_dct, BEST: codecs.best_dct, COUNTED: codecs.counted_dct}
CONTROLS = PAPER, ZIGZAG, BEST, COUNTED, PCA
WHY_BEHIND = {BEST: "the positions of its coefficients are not counted", PCA: "their basis is not counted"}
FILES = "JPEG", "WebP"
# Of the errors in the picture.
GAIN = 4


@dataclasses.dataclass(frozen=True)
class Config(collection.Options):
    components: tuple[int, ...] = (20, 40, 80, 160)
    """Numbers of components m, of 6 numbers each."""

    people: int | None = 20
    """How many people of each collection; None takes everyone."""

    torch_faces: int = 3
    """Faces that PyTorch fits too."""

    steps: int | None = None
    """Steps of each fit; None takes the recipe's own."""


FULL = Config(people=None, torch_faces=10)


def run(config: Config, kept: Kept) -> Report:
    report = Report("Controls at the same number of parameters")
    config = dataclasses.replace(config, components=tuple(sorted(set(config.components))))
    everything = collection.collections(config)
    if sum(len(collection.one_a_person(faces)) for faces in everything.values()) < 2:
        raise SystemExit("the eigenfaces are those of other people: pictures of at least two are needed")
    errors, numbers = {}, [6 * m for m in config.components]
    for name, whole in everything.items():
        faces = collection.one_a_person(whole, config.people)
        starts = [kept(common_face, whole.images, "lm", m, config.steps).params for m in config.components]
        fits = {
            way: [kept(fits_from, faces.images, start, recipe_name, config.steps) for start in starts]
            for way, recipe_name in ((LM, "lm"), (PAPER, "paper"))
        }
        found, pictures = kept(by_controls, faces, name, everything, numbers)
        errors[name] = {way: np.stack([fit.mse for fit in fits[way]]) for way in fits} | found
        tell_errors(report, name, faces, numbers, errors[name])
        tell_bytes(report, kept, name, faces, fits[LM])
        if name == collection.name_of(config):
            example = draw_example(faces.images[0], fits, pictures, numbers)
            place = len(starts) // 2
            ours = fits[PAPER][place].mse[: config.torch_faces]
            tell_torch(report, kept, faces.images[: config.torch_faces], starts[place], ours, config.steps)
    report.figure(
        "rate_distortion", draw_curves(errors, numbers), "Rate and distortion: mean MSE by the numbers stored"
    )
    report.figure(
        "controls",
        example,
        f"What each code misses of one face of {collection.name_of(config)}: its error, {GAIN} times, on middle gray",
    )
    return report


def by_controls(faces: Faces, name: str, everything: dict[str, Faces], numbers: list[int]):
    """Of each control the MSE (numbers, faces), and the pictures of the first face at each of ``numbers``."""
    errors: dict[str, list] = {way: [] for way in (*DCTS, PCA)}
    first: dict[str, list] = {}
    for image, file in zip(following(faces.images, "controls", "face"), faces.names, strict=True):
        others = [
            other
            for collection_name, whole in everything.items()
            for other, other_file in zip(whole.images, whole.names, strict=True)
            if collection_name != name or collection.person_of(other_file) != collection.person_of(file)
        ]
        codes = DCTS | {PCA: codecs.PrincipalComponents(np.stack(others))}
        for way, code in codes.items():
            pictures = [code(image, count) for count in numbers]
            errors[way].append([np.mean((picture - image) ** 2) for picture in pictures])
            first.setdefault(way, pictures)
    return {way: np.array(rows).T for way, rows in errors.items()}, first


def tell_errors(report: Report, name: str, faces: Faces, numbers: list[int], errors: dict[str, np.ndarray]) -> None:
    report.say(
        f"**{name}**, {len(faces)} people, mean MSE in 1e-4 by the numbers stored; in brackets, on how many of the "
        "faces GmFace by lm is ahead. DCT, best: the largest coefficients, where it costs nothing to know which; "
        "positions counted: half as many. The eigenfaces themselves are not counted, and where they are fewer than the "
        "numbers, all are used."
    )
    rows = []
    for way in (LM, *CONTROLS):
        ahead = np.sum(errors[LM] < errors[way], axis=1)
        brackets = [f" ({count})" if way != LM else "" for count in ahead]
        rows.append((way, *(f"{1e4 * e.mean():.2f}{b}" for e, b in zip(errors[way], brackets, strict=True))))
    report.table(("code", *map(str, numbers)), rows)
    for way in CONTROLS:
        claim, why = f"{name}: mean MSE of lm below that of {way}", WHY_BEHIND.get(way, "see the table")
        compare(report, claim, numbers, "numbers", errors[LM], errors[way], why)


def tell_bytes(report: Report, kept: Kept, name: str, faces: Faces, fits: list[Fits]) -> None:
    sizes = [fit.params.means.shape[1] * 6 * np.dtype(np.float16).itemsize for fit in fits]
    ours = np.array(
        [[in_half_precision(one_of(fit.params, i), image) for i, image in enumerate(faces.images)] for fit in fits]
    )
    theirs = kept(by_files, faces.images, sizes)
    means = {"GmFace, lm, float16": ours.mean(axis=1)} | {kind: errors.mean(axis=1) for kind, errors in theirs.items()}
    report.say(
        f"{name}, by bytes: the parameters in float16, without any further coding, against the best file of at most "
        "that size; a dash: some face has none so small. Mean MSE in 1e-4:"
    )
    report.table(
        ("code", *(f"{size} bytes" for size in sizes)),
        [(code, *(float(1e4 * e) for e in row)) for code, row in means.items()],
    )
    for kind, errors in theirs.items():
        why = "such a file has its numbers quantised and entropy coded, the parameters are stored as they are"
        compare(report, f"{name}: mean MSE of lm below that of {kind}", sizes, "bytes", ours, errors, why)


def compare(report: Report, claim: str, sizes: list[int], unit: str, ours, theirs, why: str) -> None:
    """``ours`` and ``theirs`` (sizes, faces): at which sizes the mean of ours is below."""
    behind = [size for size, mine, other in zip(sizes, ours, theirs, strict=True) if mine.mean() >= other.mean()]
    here = f"not at {', '.join(map(str, behind))}" if behind else "at each"
    report.compare(f"{claim}, at {', '.join(map(str, sizes))} {unit}", "at each", here, not behind, why)


def by_files(images, sizes: list[int]) -> dict[str, np.ndarray]:
    """Of each kind of file the MSE (sizes, images) of the best one that is small enough."""
    return {kind: np.array([codecs.smallest_error(image, kind, sizes) for image in images]).T for kind in FILES}


def in_half_precision(params: gmjax.GmFace, image: np.ndarray) -> float:
    """The MSE of the model with its parameters rounded to float16."""
    rounded = jax.tree.map(lambda leaf: leaf.astype(np.float16).astype(leaf.dtype), params)
    return float(gmjax.mse(gmjax.render(rounded, image.shape), image))


def tell_torch(report: Report, kept: Kept, images, start: gmjax.GmFace, ours: np.ndarray, steps: int | None) -> None:
    """The paper's recipe in eager PyTorch beside ours, from the same start."""
    if importlib.util.find_spec("torch") is None:
        report.say("PyTorch is not installed (extra bench), so its GmNet is left out.")
        return
    theirs, seconds = kept(torch_fits, images, start, steps or 2000, importlib.metadata.version("torch"))
    report.say(
        f"The paper's recipe as an eager PyTorch GmNet (benchmarks/peers.py), m = {start.num_components}, on the first "
        f"{len(images)} of these faces: MSE {1e4 * theirs.mean():.2f}, gmjax with the same recipe "
        f"{1e4 * ours.mean():.2f} (1e-4); {seconds:.1f} s a face. PyTorch steps in L, gmjax in its logarithms."
    )


def torch_fits(images, start: gmjax.GmFace, steps: int, version: str) -> tuple[np.ndarray, float]:
    """The MSE of each image's fit at its end, and the seconds a face; ``version`` is PyTorch's."""
    from benchmarks import peers

    begun, errors = time.perf_counter(), []
    for image in following(images, "PyTorch", "face"):
        net = peers.Eager(start, image, 0.1)
        for _ in range(steps):
            net.step()
        errors.append(np.mean((net.net().detach().numpy() - image) ** 2))
    return np.array(errors), (time.perf_counter() - begun) / len(images)


def draw_curves(errors, numbers: list[int]) -> Figure:
    figure = Figure(figsize=(4.6 * len(errors), 3.6), layout="constrained")
    first = None
    for place, (name, ways) in enumerate(errors.items(), start=1):
        axes = plain_axes(
            figure, 1, len(errors), place, sharey=first, title=name, xlabel="numbers stored", xscale="log", yscale="log"
        )
        first = first or axes
        for way, values in ways.items():
            axes.plot(numbers, values.mean(axis=1), "o-", label=way, linewidth=2 if way == LM else 1, markersize=4)
        axes.set_xticks(numbers, [str(number) for number in numbers])
        axes.xaxis.minorticks_off()
        axes.legend(frameon=False, fontsize="small")
    first.set_ylabel("mean MSE")
    return figure


def draw_example(image: np.ndarray, fits, pictures, numbers: list[int]) -> Figure:
    drawn = {way: [gmjax.render(one_of(fit.params, 0), image.shape) for fit in found] for way, found in fits.items()}
    rows = {
        way: [0.5 + GAIN * (np.asarray(picture) - image) for picture in row]
        for way, row in (drawn | pictures).items()
        if way != COUNTED
    }
    return grid_of_pictures(rows, [f"{number} numbers" for number in numbers], side=1.5)


if __name__ == "__main__":
    script.main("controls")
