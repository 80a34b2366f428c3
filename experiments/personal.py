"""Table 4: personal faces, m = 40 to 90, each from the common face of the same m.

The first picture of each of 12 people by the paper's recipe and by gmjax's best solver, and every picture of the
collection by the latter at m = 80 (--full: every picture, at every m, by both): MSE and PAE as mean and spread over the
faces, and of three named ones. The paper prints those of one face.

Command:   python -m experiments.personal
Cost:      9 minutes on 2 cores; --full on ORL's 400 faces an hour
Expected:  gmjax's solver at a third of the MSE of the paper's recipe, and a smaller PAE
"""

import dataclasses

import jax
import numpy as np

import gmjax
from experiments import collection, script
from experiments.figures import grid_of_pictures
from experiments.kept import Kept
from experiments.models import Fits, common_face, fits_from, one_of
from experiments.report import Report
from gmjax.data import Faces

# Table 4, "face image 1": MSE and PAE.
PAPER = {
    40: (6.24e-4, 0.239),
    50: (5.15e-4, 0.232),
    60: (3.93e-4, 0.228),
    70: (2.51e-4, 0.215),
    80: (1.99e-4, 0.204),
    90: (1.82e-4, 0.175),
}
WAYS = {"paper": "paper's recipe", "lm": "gmjax's lm"}


@dataclasses.dataclass(frozen=True)
class Config(collection.Options):
    components: tuple[int, ...] = tuple(PAPER)
    """Numbers of components m."""

    people: int | None = 12
    """How many people, one picture each; None takes every picture of everyone."""

    every_picture: int | None = 80
    """With --people, the number of components m at which every picture is fitted by lm; None at none."""

    named: int = 3
    """How many faces are shown one by one."""

    chunk: int = 40
    """Faces after whose fits the results are kept, to be gone on from; on accelerators give 64 for each device."""

    steps: int | None = None
    """Steps of each fit; None takes the recipe's own."""


FULL = Config(people=None, every_picture=None)


def run(config: Config, kept: Kept) -> Report:
    config = dataclasses.replace(config, components=tuple(sorted(set(config.components))))
    report = Report("Table 4: personal faces")
    everyone = collection.main_faces(config)
    faces = everyone if config.people is None else collection.one_a_person(everyone, config.people)
    fits = {(m, way): fits_of(kept, faces, everyone, m, way, config) for m in config.components for way in WAYS}
    report.say(
        f"{len(faces)} faces of {collection.name_of(config)}, {config.size} x {config.size}, from the common face of "
        f"all {len(everyone)}. Mean \N{PLUS-MINUS SIGN} standard deviation over the faces; seconds a face without "
        "compilation. The common face of m = 80 began at the published one, the others at a grid, which may "
        "be why the paper's recipe is no better at 90 than at 80. The faces here are among those of the common face, "
        "the paper's are not."
    )
    tell_all(report, config, fits)
    if config.every_picture is not None:
        every = fits_of(kept, everyone, everyone, config.every_picture, "lm", config)
        report.say(
            f"All {len(everyone)} pictures of {collection.name_of(config)}, m = {config.every_picture}, by lm: MSE "
            f"{spread(1e4 * every.mse, 2)} (1e-4), from {1e4 * every.mse.min():.2f} to {1e4 * every.mse.max():.2f}; "
            f"PAE {spread(every.pae, 3)}, from {every.pae.min():.3f} to {every.pae.max():.3f}."
        )
    tell_named(report, config, faces, fits)
    return report


def fits_of(kept: Kept, faces: Faces, everyone: Faces, m: int, way: str, config: Config) -> Fits:
    start = kept(common_face, everyone.images, "lm", m, config.steps).params
    chunks = [faces.images[i : i + config.chunk] for i in range(0, len(faces), config.chunk)]
    return joined([kept(fits_from, chunk, start, way, config.steps) for chunk in chunks], [len(c) for c in chunks])


def joined(parts: list[Fits], counts: list[int]) -> Fits:
    params = jax.tree.map(lambda *leaves: np.concatenate(leaves), *(part.params for part in parts))
    mse, pae = (np.concatenate([getattr(part, figure) for part in parts]) for figure in ("mse", "pae"))
    return Fits(params, mse, pae, float(np.average([part.seconds for part in parts], weights=counts)))


def tell_all(report: Report, config: Config, fits) -> None:
    rows = []
    for m in config.components:
        if m in PAPER:
            rows.append((m, 6 * m, "paper, one face", f"{1e4 * PAPER[m][0]:.2f}", f"{PAPER[m][1]:.3f}", "", ""))
        for way, label in WAYS.items():
            found = fits[m, way]
            as_near = f"{np.sum(found.mse <= PAPER[m][0])} of {len(found.mse)}" if m in PAPER else ""
            cells = spread(1e4 * found.mse, 2), spread(found.pae, 3), as_near, f"{found.seconds:.2f}"
            rows.append((m, 6 * m, label, *cells))
    report.table(("m", "parameters", "", "MSE, 1e-4", "PAE", "faces with at most the paper's MSE", "seconds"), rows)

    m = max(config.components)
    if m in PAPER:
        peaks = [f"{fits[m, way].pae.mean() / fits[m, way].mse.mean() ** 0.5:.1f}" for way in WAYS]
        report.say(
            f"At m = {m} the paper's peak is {PAPER[m][1] / PAPER[m][0] ** 0.5:.1f} times the root of its MSE, in the "
            f"means here {peaks[0]} by its recipe with lambda = 0.1 and {peaks[1]} by lm. The larger lambda, the "
            "smaller that is: like Table 2, this speaks for a smaller lambda than 0.1."
        )
    means = {way: np.array([fits[m, way].mse.mean() for m in config.components]) for way in WAYS}
    if len(config.components) > 1:
        falls = bool(np.all(np.diff(means["lm"]) < 0))
        report.compare("the MSE of lm falls with m", "yes", "yes" if falls else "no", falls, "see the table")
    ratios = dict(zip(config.components, means["lm"] / means["paper"], strict=True))
    above = ", ".join(f"{m}" for m, ratio in ratios.items() if ratio > 1 / 3)
    report.compare(
        f"mean MSE of lm over that of the paper's recipe, m = {', '.join(map(str, ratios))}",
        "a third at most",
        ", ".join(f"{ratio:.2f}" for ratio in ratios.values()),
        not above,
        f"more at m = {above}",
    )
    for figure, place in (("mse", 0), ("pae", 1)):
        ours = {m: float(getattr(fits[m, "lm"], figure).mean()) for m in config.components if m in PAPER}
        ahead = [m for m in ours if ours[m] <= PAPER[m][place]]
        if not ours:
            continue
        report.compare(
            f"mean {figure.upper()} of lm at most the paper's of its one face",
            "at every m",
            f"at {len(ahead)} of {len(ours)}",
            len(ahead) == len(ours),
            "other photographs; the spread over faces is in the table",
        )


def tell_named(report: Report, config: Config, faces, fits) -> None:
    numbers = [round(i) for i in np.linspace(0, len(faces) - 1, config.named)]
    rows = []
    for number in numbers:
        for way, label in WAYS.items():
            found = [fits[m, way] for m in config.components]
            cells = (f"{1e4 * fit.mse[number]:.2f}, {fit.pae[number]:.3f}" for fit in found)
            rows.append((faces.names[number], label, *cells))
    report.say("Single faces, MSE in 1e-4 and PAE:")
    report.table(("face", "", *(f"m = {m}" for m in config.components)), rows)
    shape = faces.images.shape[1:]
    pictures = {
        f"{faces.names[number]}, {way}": [
            gmjax.render(one_of(fits[m, way].params, number), shape) for m in config.components
        ]
        for number in numbers
        for way in WAYS
    }
    report.figure(
        "table4",
        grid_of_pictures(pictures, [f"m = {m}" for m in config.components]),
        "Table 4: the formulas of single faces, by the paper's recipe and by lm",
    )


def spread(values: np.ndarray, digits: int) -> str:
    return f"{values.mean():.{digits}f} \N{PLUS-MINUS SIGN} {values.std():.{digits}f}"


if __name__ == "__main__":
    script.main("personal")
