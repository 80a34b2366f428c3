"""Faces as points of one space: morphs, reconstruction of new people, averages, symmetry, and what parameters lose at.

Models correspond if component i stands for the same part of each face: fits that stay near a common face
(FitConfig.stay, lambda), or models with one geometry. Pictures show averages of groups of people only.

Command:   python -m experiments.space [--also FOLDER]
Cost:      4 minutes on 2 cores; --also 2 more
Expected:  half-way faces of corresponding fits sharper than a cross-dissolve; at most 1 s a face, 1,000 projections a
           second; pixels ahead in recognition, inpainting and super-resolution
"""

import dataclasses
import itertools
import time
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

import gmjax
from experiments import codecs, collection, newcomers, script, warped
from experiments.cache import Cache
from experiments.figures import grid_of_pictures
from experiments.models import fit_faces, on_host
from experiments.newcomers import STAY, fits_near, plus_minus, symmetric_face
from experiments.report import Report
from experiments.tasks import REDUCTION, rendered
from gmjax import correspondence, space
from gmjax.data import Faces
from gmjax.errors import ArgumentError, GmjaxError

# People in each average of the figure of morphs; random halves of the people for the spread of averages.
GROUP, HALVES = 5, 20
REPEATS = 7
AVERAGES = "pixels", "parameters", "warped"


@dataclasses.dataclass(frozen=True)
class Config(collection.Options):
    components: tuple[int, ...] = (80, 160)
    """Numbers of components m of the morphs, even; the first one is that of all other parts."""

    stays: tuple[float, ...] = (3e-7, STAY, 3e-6, 1e-5)
    """Weights lambda of the distance from the common face."""

    people: int = 8
    """Number of people whose pairs are morphed, with one picture each."""

    pictures: int | None = 6
    """Pictures of each person for reconstruction and recognition; None: all."""

    coefficients: tuple[int, ...] = (20, 40, 80)
    """Numbers K of coefficients of a reconstruction."""

    steps: int | None = None
    """Steps of each fit; None: the default of its recipe."""


FULL = Config(people=40, pictures=None)


def run(config: Config, cached: Cache) -> Report:
    report = Report("Faces as points of a space")
    if config.people < 2:
        raise ArgumentError("people", f"must be at least 2: pairs are morphed; got {config.people}")
    if config.size % REDUCTION:
        raise ArgumentError("size", f"must be a multiple of {REDUCTION}, for the small pictures; got {config.size}")
    everything = collection.collections(config)
    for name, faces in everything.items():
        if len(collection.one_per_person(faces)) < 2:
            raise GmjaxError(f"{name} shows one person only, and faces of several are morphed: add pictures")
    m, main = config.components[0], collection.name_of(config)
    commons = {
        (name, count): cached(symmetric_face, faces.images, count, config.steps)
        for name, faces in everything.items()
        for count in config.components
    }
    add_morphs(report, config, cached, everything, commons)
    add_averages(report, config, cached, everything, commons)
    add_symmetry(report, config, cached, everything, commons)
    train, test = newcomers.divided(everything[main], config.pictures)
    if min(len(train), len(test)) < 2:
        report.text(f"{main} shows too few people for reconstruction: it needs pictures of others to learn from.")
        return report
    counts = sorted({min(count, 2 * len(train.images) - 1) for count in config.coefficients})
    codes = newcomers.learnt(cached, train, test, m, config.steps)
    newcomers.add_reconstruction(report, main, train, test, codes, counts)
    newcomers.add_tasks(report, cached, main, train, test, codes, counts[-1], config.steps)
    add_speed(report, cached, test.images, codes, config.steps)
    return report


# Morphs.


def add_morphs(report: Report, config: Config, cached: Cache, everything: dict[str, Faces], commons) -> None:
    report.text(
        f"**Morphs.** Half-way faces of all pairs of {config.people} people, one picture each. Sharpness: the gradient "
        "energy of the half-way picture over the mean of its two ends, which are the pictures of the models; the "
        "cross-dissolve is that of the same two pictures. Strangeness: the part of the half-way picture that the "
        "eigenfaces of the collection do not hold, over that of the ends: double or blotched parts are in no face. "
        "Mean \N{PLUS-MINUS SIGN} standard deviation over the pairs, of the MSE over the faces. All fits start from "
        "the symmetric common face of the collection; free: gmjax's Adam."
    )
    rows = []
    for (name, m), common in commons.items():
        faces = everything[name]
        few = collection.one_per_person(faces, config.people)
        basis = codecs.eigenfaces(faces.images)[1]
        pairs = np.array(list(itertools.combinations(range(len(few)), 2)))
        for stay in (*config.stays, None):
            fits = cached(fits_near, few.images, common, stay, config.steps)
            found = half_way(fits.params, pairs, few.images.shape[1:], basis)
            cells = [plus_minus(value, 2) for value in (found.morph, found.dissolve, found.strangeness)]
            rows.append((name, m, label_of(stay), plus_minus(1e4 * fits.mse, 2), *cells))
            if stay == STAY:
                share = np.mean(found.morph > found.dissolve)
                report.compare(
                    f"pairs whose half-way face is sharper than the cross-dissolve, lambda {STAY:g}, {name}, m = {m}",
                    "at least 95 %",
                    f"{100 * share:.0f} %",
                    share >= 0.95,
                    "see the table",
                )
    columns = "collection", "m", "fits", "MSE, 1e-4", "sharpness, morph", "sharpness, cross-dissolve", "strangeness"
    report.table(columns, rows)
    name, m = collection.name_of(config), config.components[0]
    images = collection.one_per_person(everything[name]).images
    if len(images) < 2 * GROUP:
        report.text(f"{name} shows fewer than {2 * GROUP} people: there is no figure of averages of {GROUP}.")
        return
    averages = [images[i : i + GROUP].mean(axis=0) for i in range(0, len(images) - GROUP + 1, GROUP)]
    pairs = np.stack(averages[: min(4, len(averages) // 2 * 2)])
    report.figure(
        "space_morphs",
        draw_morphs(config, cached, pairs, commons[name, m]),
        f"Half-way between averages of {GROUP} people each, {name}: the averages, their cross-dissolve, and morphs of "
        f"fits to them, m = {m}",
    )


class HalfWay(NamedTuple):
    """The sharpness of each pair's morph and cross-dissolve, and the strangeness of its morph."""

    morph: np.ndarray
    dissolve: np.ndarray
    strangeness: np.ndarray


def half_way(models: gmjax.GmFace, pairs: np.ndarray, shape: tuple[int, int], basis: np.ndarray) -> HalfWay:
    """``pairs`` (n, 2) of ``models``; ``basis``: orthonormal pictures (r, H W)."""
    ends = rendered(models, shape)
    a, b = (jax.tree.map(lambda leaf, side=side: leaf[pairs[:, side]], models) for side in (0, 1))
    morphs = half_way_pictures(a, b, shape)
    first, second = ends[pairs[:, 0]], ends[pairs[:, 1]]
    energy = 0.5 * (gradient_energy(first) + gradient_energy(second))

    def strange(pictures):
        flat = np.reshape(pictures, (len(pictures), -1))
        return np.sum(np.square(flat - (flat @ basis.T) @ basis), axis=1)

    return HalfWay(
        gradient_energy(morphs) / energy,
        gradient_energy(0.5 * (first + second)) / energy,
        strange(morphs) / (0.5 * (strange(first) + strange(second))),
    )


def gradient_energy(pictures: np.ndarray) -> np.ndarray:
    """The mean of the squared differences of neighbouring pixels of each picture."""
    rows, columns = np.diff(pictures, axis=-2), np.diff(pictures, axis=-1)
    return np.mean(np.square(rows), axis=(-2, -1)) + np.mean(np.square(columns), axis=(-2, -1))


def draw_morphs(config: Config, cached: Cache, averages: np.ndarray, common: gmjax.GmFace) -> Figure:
    """``averages``: (n, H, W), n even; each two that follow each other are a pair."""
    first, second = averages[::2], averages[1::2]
    rows = [[a, b, 0.5 * (a + b)] for a, b in zip(first, second, strict=True)]
    stays = (*config.stays, None)
    for stay in stays:
        params = cached(fits_near, averages, common, stay, config.steps).params
        a, b = (jax.tree.map(lambda leaf, start=start: leaf[start::2], params) for start in (0, 1))
        for row, picture in zip(rows, half_way_pictures(a, b, averages.shape[1:]), strict=True):
            row.append(picture)
    titles = ["one average", "another", "cross-dissolve", *map(label_of, stays)]
    return grid_of_pictures({f"pair {number}": row for number, row in enumerate(rows, 1)}, titles)


def half_way_pictures(a: gmjax.GmFace, b: gmjax.GmFace, shape: tuple[int, int]) -> np.ndarray:
    """The pictures half-way from each model of ``a`` to that of ``b``."""
    return rendered(jax.vmap(lambda x, y: space.morph(x, y, 0.5))(a, b), shape)


# Averages.


def add_averages(report: Report, config: Config, cached: Cache, everything: dict[str, Faces], commons) -> None:
    m = config.components[0]
    report.text(
        "**Averages** of one picture of each person: gradient energy over the mean of that of the photographs. Models: "
        f"the mean of the corresponding fits (m = {m}, lambda {STAY:g}), whose parameters are averaged. Warped: the "
        "photographs are moved to the mean shape of their landmarks before their pixels are averaged. Mean "
        f"\N{PLUS-MINUS SIGN} standard deviation over {HALVES} random halves of the people, seed {config.seed}; in "
        "parentheses, of all."
    )
    rows, pictures = [], {}
    for name, whole in everything.items():
        faces = collection.one_per_person(whole)
        shape = faces.images.shape[1:]
        models = cached(fits_near, faces.images, commons[name, m], STAY, config.steps).params
        moved = warped.warped_faces(config, name, faces)
        averages = {
            "pixels": lambda n, images=faces.images: images[n].mean(axis=0),
            "parameters": lambda n, models=models, shape=shape: average_of(models, n, shape),
        }
        if moved is None:
            report.text(f"{name} has no templates of landmarks (.tem): its average is not warped.")
        else:
            averages["warped"] = lambda n, moved=moved: moved[n].mean(axis=0)
        numbers, everyone = np.random.default_rng(config.seed), np.arange(len(faces))
        halves = [numbers.permutation(len(faces))[: max(1, len(faces) // 2)] for _ in range(HALVES)]
        energy = gradient_energy(faces.images).mean()
        cells = [f"{gradient_energy(rendered(models, shape)).mean() / energy:.2f}"]
        for average in averages.values():
            values = np.array([gradient_energy(average(half)) for half in halves]) / energy
            cells.append(f"{plus_minus(values, 3)} ({gradient_energy(average(everyone)) / energy:.3f})")
        pictures[name] = [average(everyone) for average in averages.values()]
        rows.append((name, len(faces), *cells, *["-"] * (len(AVERAGES) - len(averages))))
    report.table(("collection", "people", "models", *AVERAGES), rows)
    columns = AVERAGES[: max(len(row) for row in pictures.values())]
    blank = np.ones((config.size, config.size))
    report.figure(
        "space_averages",
        grid_of_pictures(
            {name: [*row, *[blank] * (len(columns) - len(row))] for name, row in pictures.items()}, columns, side=1.8
        ),
        "Averages of all people: pixels, parameters of corresponding fits, photographs warped to the mean shape",
    )


def average_of(models: gmjax.GmFace, numbers: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    return np.asarray(gmjax.render(space.mean(jax.tree.map(lambda leaf: leaf[numbers], models)), shape))


# Symmetry.


def add_symmetry(report: Report, config: Config, cached: Cache, everything: dict[str, Faces], commons) -> None:
    report.text(
        "**Symmetry.** MSE to the average of all pictures and their mirror images: of the common face that is its own "
        "mirror image (fit_symmetric), and of a free one (lm from a grid). And the largest difference between a "
        f"picture and its mirror image: of the symmetric face, of the free one, and of {config.people} faces "
        f"(lambda {STAY:g}) after symmetrise."
    )
    rows = []
    for (name, m), common in commons.items():
        faces = everything[name]
        shape = faces.images.shape[1:]
        average = faces.images.mean(axis=0)
        average = 0.5 * (average + average[:, ::-1])
        free = cached(free_face, average, m, config.steps)
        few = collection.one_per_person(faces, config.people)
        fits = cached(fits_near, few.images, common, STAY, config.steps)
        middle = space.middle_of(common, shape[1])
        pairs = space.mirror_pairs(common, middle)
        symmetric = rendered(space.symmetrise(jax.tree.map(jnp.asarray, fits.params), pairs, middle), shape)
        errors = [f"{float(gmjax.mse(gmjax.render(face, shape), average)):.2e}" for face in (common, free)]
        pictures = gmjax.render(common, shape), gmjax.render(free, shape), symmetric
        asymmetry = [float(np.max(np.abs(p - p[..., ::-1]))) for p in pictures]
        rows.append((name, m, *errors, *(f"{value:.1e}" for value in asymmetry)))
        report.compare(
            f"largest difference of a symmetrised face to its mirror image, {name}, m = {m}",
            "below 1e-4",
            f"{asymmetry[2]:.1e}",
            asymmetry[2] < 1e-4,
            "rounding",
        )
    columns = "collection", "m", "MSE, symmetric", "MSE, free", "asymmetry, symmetric", "free", "symmetrised faces"
    report.table(columns, rows)


def free_face(average, num_components: int, steps: int | None) -> gmjax.GmFace:
    config = gmjax.FitConfig(solver="lm", num_components=num_components, steps=steps, pae_weight=0.0)
    return on_host(gmjax.fit(average, config=config).params)


# Speed.


def add_speed(report: Report, cached: Cache, images, codes: newcomers.Codes, steps: int | None) -> None:
    fits, projections = cached(speeds, images, codes.common, codes.geometry, steps)
    report.text(
        f"**Speed**, m = {codes.common.num_components}, median of {REPEATS} repeats after the first call: "
        f"{np.median(fits):.2f} s for a corresponding fit (from {fits.min():.2f} to {fits.max():.2f}), and "
        f"{np.median(projections):.0f} projections a second (from {projections.min():.0f} to {projections.max():.0f}), "
        f"{len(images)} at once."
    )
    report.compare(
        "seconds for a corresponding fit", "at most 1", f"{np.median(fits):.2f}", np.median(fits) <= 1, "load"
    )
    fast = np.median(projections) >= 1000
    report.compare("projections a second", "at least 1000", f"{np.median(projections):.0f}", fast, "load")


def speeds(images, common: gmjax.GmFace, geometry: gmjax.GmFace, steps: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Seconds of a corresponding fit of one picture, and projections a second of all; ``REPEATS`` of each."""
    config = gmjax.FitConfig(stay=STAY, steps=steps)
    fits = [fit_faces(images[:1], common, config, 0, "speed").seconds for _ in range(REPEATS)]
    return np.array(fits), len(images) / seconds_of(lambda: correspondence.project(images, geometry))


def seconds_of(call) -> np.ndarray:
    found = []
    for _ in range(REPEATS + 1):
        began = time.perf_counter()
        jax.block_until_ready(call())
        found.append(time.perf_counter() - began)
    return np.array(found[1:])


def label_of(stay: float | None) -> str:
    return "free" if stay is None else f"lambda {stay:g}"


if __name__ == "__main__":
    script.main("space")
