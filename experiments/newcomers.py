"""What is learnt from faces of some people, tried on others: reconstruction, and what pixels do better."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import gmjax
from experiments import codecs, collection, tasks
from experiments.cache import Cache
from experiments.models import Fits, fit_faces, on_host
from experiments.report import Report
from experiments.tasks import mse_of, rendered
from gmjax import correspondence, space
from gmjax.data import Faces

STAY = 1e-6
ONE_GEOMETRY = "one geometry, axes of its weights"
# A geometry is fitted to 41 channels, whose steps are slow.
GEOMETRY_STEPS = 48


def symmetric_face(images, num_components: int, steps: int | None) -> gmjax.GmFace:
    config = gmjax.FitConfig(solver="lm", num_components=num_components, steps=steps)
    return on_host(correspondence.fit_symmetric(images, config=config))


def fits_near(images, common: gmjax.GmFace, stay: float | None, steps: int | None) -> Fits:
    """One model per face, all from ``common``; ``stay``: None for free fits."""
    label = f"lambda {stay:g}" if stay else "free"
    return fit_faces(
        images, common, gmjax.FitConfig(stay=stay, steps=steps), 0, f"{label}, m = {common.num_components}"
    )


class Codes(NamedTuple):
    """What is learnt from the training people, and the test people's models: by one geometry, and by fits that stay
    near the common face of the training people. The models of the training people include their mirror images."""

    common: gmjax.GmFace
    geometry: gmjax.GmFace
    projected: tuple[gmjax.GmFace, gmjax.GmFace]
    corresponding: tuple[gmjax.GmFace, gmjax.GmFace]


def divided(faces: Faces, pictures: int | None) -> tuple[Faces, Faces]:
    """Every other person for training, the others for the test, each with at most so many ``pictures``."""
    people: dict[str, list[int]] = {}
    for number, name in enumerate(faces.names):
        people.setdefault(collection.person_of(name), []).append(number)
    several = list(people.values())
    halves = ([n for person in several[start::2] for n in person[:pictures]] for start in (0, 1))
    train, test = (Faces(faces.images[half], tuple(faces.names[n] for n in half)) for half in halves)
    return train, test


def learnt(cached: Cache, train: Faces, test: Faces, m: int, steps: int | None) -> Codes:
    both = np.concatenate([train.images, train.images[..., ::-1]])
    common = cached(symmetric_face, train.images, m, steps)
    geometry = cached(one_geometry, both, m, steps)
    projected = [on_host(correspondence.project(images, geometry)) for images in (both, test.images)]
    fits = [cached(fits_near, faces.images, common, STAY, steps).params for faces in (train, test)]
    middle = space.middle_of(common, both.shape[-1])
    mirrored = space.mirror(jax.tree.map(jnp.asarray, fits[0]), middle, space.mirror_pairs(common, middle))
    fits[0] = on_host(jax.tree.map(lambda *leaves: jnp.concatenate(leaves), fits[0], mirrored))
    return Codes(common, geometry, (projected[0], projected[1]), (fits[0], fits[1]))


def one_geometry(images, num_components: int, steps: int | None) -> gmjax.GmFace:
    config = gmjax.FitConfig(solver="lm", num_components=num_components, steps=steps or GEOMETRY_STEPS)
    return on_host(correspondence.fit_geometry(images, config=config))


def add_reconstruction(
    report: Report, name: str, train: Faces, test: Faces, codes: Codes, counts: Sequence[int]
) -> None:
    m = codes.common.num_components
    report.text(
        f"**New people**, {name}: K coefficients learnt from {len(train)} pictures of every other person and their "
        f"mirror images, tried on {len(test)} pictures of the others; m = {m}. One geometry: fit_geometry "
        f"({GEOMETRY_STEPS} steps) and project, on the principal axes of the weights. Corresponding fits "
        f"(lambda {STAY:g}): a new face is fitted, and its scores are kept on K principal axes of all parameters. MSE "
        "in units of 1e-4, mean \N{PLUS-MINUS SIGN} standard deviation over the faces."
    )
    errors = {
        "eigenfaces": errors_on_eigenfaces(train.images, test.images, test.images, counts),
        ONE_GEOMETRY: errors_on_axes(*codes.projected, test.images, counts),
        "corresponding fits, axes of all parameters": errors_on_axes(*codes.corresponding, test.images, counts),
    }
    rows = [(label, *(plus_minus(1e4 * mse, 2) for mse in found)) for label, found in errors.items()]
    report.table(("code", *(f"K = {count}" for count in counts)), rows)
    whole = [mse_of(pictures_of(models, test), test.images) for _, models in (codes.projected, codes.corresponding)]
    one_geometry, fits = (plus_minus(1e4 * mse, 2) for mse in whole)
    report.text(f"With all parameters: one geometry {one_geometry}, corresponding fits {fits}.")
    ratios = [a.mean() / b.mean() for a, b in zip(errors[ONE_GEOMETRY], errors["eigenfaces"], strict=True)]
    quantity = f"new people: MSE of one geometry over that of the eigenfaces, K = {listed(counts)}"
    report.compare(quantity, "below 1", listed([f"{ratio:.2f}" for ratio in ratios]), max(ratios) < 1, "see the table")


def listed(items: Sequence) -> str:
    return ", ".join(map(str, items))


def errors_on_eigenfaces(known: np.ndarray, pictures: np.ndarray, images, counts: Sequence[int]) -> list[np.ndarray]:
    """The MSE to ``images`` of ``pictures`` on the first K eigenfaces of the pictures ``known``."""
    code = codecs.eigenface_code(known)
    return [mse_of([code(picture, count) for picture in pictures], images) for count in counts]


def pictures_of(models: gmjax.GmFace, faces: Faces) -> np.ndarray:
    return rendered(models, faces.images.shape[1:])


def errors_on_axes(known: gmjax.GmFace, new: gmjax.GmFace, images, counts: Sequence[int]) -> list[np.ndarray]:
    """The MSE of the models ``new`` of ``images`` on the first K principal axes of the models ``known``."""
    axes = space.principal_axes(known, max(counts))
    scores = space.to_scores(axes, jax.tree.map(jnp.asarray, new))
    kept = [jnp.where(jnp.arange(max(counts)) < count, scores, 0.0) for count in counts]
    return [mse_of(rendered(space.from_scores(axes, some), images.shape[1:]), images) for some in kept]


def add_tasks(
    report: Report, cached: Cache, name: str, train: Faces, test: Faces, codes: Codes, count: int, steps: int | None
) -> None:
    """Recognition, inpainting and super-resolution, with ``count`` coefficients learnt from ``train``."""
    m = codes.common.num_components
    one_geometry, fits = (space.principal_axes(known, count) for known, _ in (codes.projected, codes.corresponding))
    rows: list[tuple[str, str, str]] = []

    def add(task: str, unit: str, found: dict[str, np.ndarray], pixels: int) -> None:
        """The first ``pixels`` of the codes ``found`` are made of pixels."""
        rows.extend((task, code, f"{with_error(values)} {unit}") for code, values in found.items())
        means = [float(np.mean(values)) for values in found.values()]
        lead = max(means[:pixels]) - max(means[pixels:])
        why = "see the table for the standard errors"
        report.compare(f"{task}: the lead of pixels", "above 0", f"{lead:.1f} {unit}", lead > 0, why)

    known_people, people = (np.array([collection.person_of(file) for file in faces.names]) for faces in (train, test))
    in_gallery = tasks.first_half_of_each(people)
    if in_gallery.any():

        def apart(known, new) -> np.ndarray:
            return tasks.euclidean(tasks.by_persons(np.asarray(known)[: len(train)], known_people, np.asarray(new)))

        own, new = (jax.tree.map(jnp.asarray, models) for models in (codes.projected[1], codes.corresponding[1]))
        eigenfaces = (tasks.eigenface_scores(train.images, faces.images, count) for faces in (train, test))
        distances = {
            "pixels": tasks.euclidean(test.images),
            f"{count} eigenfaces, LDA": apart(*eigenfaces),
            "corresponding fits, distance in the plane": np.asarray(space.distances(new)),
            f"corresponding fits, {count} scores, LDA": apart(fits.scores, space.to_scores(fits, new)),
            f"one geometry, {count} scores, LDA": apart(one_geometry.scores, space.to_scores(one_geometry, own)),
        }
        found = {code: 100.0 * tasks.recognised(d, people, in_gallery) for code, d in distances.items()}
        add("recognition", "%", found, pixels=2)
    found = {
        f"{count} eigenfaces": tasks.inpainting(tasks.linear_eigenfaces(train.images, count), test.images),
        f"one geometry, {count} axes": tasks.inpainting(tasks.linear_geometry(one_geometry, train.images), test.images),
    }
    add("covered mouth", "dB", found, pixels=1)
    faces = collection.one_per_person(test).images
    configs = {
        f"corresponding fit, m = {m}": gmjax.FitConfig(stay=STAY, steps=steps),
        f"free fit, m = {m}": gmjax.FitConfig(steps=steps),
    }
    found = {"bicubic": tasks.bicubic(faces)} | {
        label: cached(tasks.super_resolution, faces, codes.common, config) for label, config in configs.items()
    }
    add("three times the side", "dB", found, pixels=1)
    report.text(
        f"**What parameters lose at**, {name}, on the same new people; mean \N{PLUS-MINUS SIGN} standard error over "
        f"the pictures. Recognition: {np.sum(~in_gallery)} pictures, each by the nearest of the first half of "
        "everyone's; LDA: the scores in units of how far pictures of one training person lie apart. Covered mouth: "
        "PSNR in it of the most likely face given the other pixels; the ridge is the variance that the axes leave. "
        f"Three times the side: PSNR of {len(faces)} faces made again from {faces.shape[-1] // tasks.REDUCTION} x "
        f"{faces.shape[-1] // tasks.REDUCTION} pixels; the model of the small picture is drawn large."
    )
    report.table(("task", "code", "result"), rows)


def plus_minus(values: np.ndarray, digits: int) -> str:
    return f"{np.mean(values):.{digits}f} \N{PLUS-MINUS SIGN} {np.std(values):.{digits}f}"


def with_error(values: np.ndarray) -> str:
    """The mean and its standard error."""
    return f"{np.mean(values):.1f} \N{PLUS-MINUS SIGN} {np.std(values) / np.sqrt(len(values)):.1f}"
