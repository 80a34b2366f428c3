"""Registration: `gmjax.registration.register` beside OpenCV's ECC (`cv2.findTransformECC`) on the same pictures.

Input: aligned ORL faces, 120 x 120; or, with `make bench ONLY=registration DATA=FOLDER`, those of a folder with
`eyes.csv`. Each is turned by up to 15 degrees, scaled by up to 15 % and moved by up to 8 pixels (cubic splines), at
gain 0.85 and bias 0.05. ECC starts from the identity, on pictures blurred by 6, 3 and 0 pixels, with at most 60
steps on each; it has no similarity, and its Euclidean map has no scale. Errors are mean distances at eyes, nose and
corners of the mouth, in pixels.
Same face: 100 trials. gmjax has the model of the face that was not moved (m = 80), ECC that photograph.
New face: 50 trials. gmjax has the common face of the first half of the faces, ECC their average; the face is from the
other half. Repeatability: between the map found for the moved face, and that for the face as it was, moved as it was.
Expected of gmjax: same face, median at most 0.03 pixels and none above 2; new face, as a similarity, median at most 0.6
and at most 2 of 50 above 2 pixels. Affine maps of a new face are less safe.
"""

import time
from pathlib import Path

import cv2
import jax
import numpy as np
from scipy.ndimage import affine_transform

import gmjax
from experiments.markdown import table
from gmjax.data import load_folder, orl_faces

SIDE = 120
LEVELS = (6, 3, 0)
POINTS = np.array([[6, 17], [6, 102], [60, 60], [90, 35], [90, 85]], float)
FACES, TRIALS_SAME, TRIALS_NEW = 10, 100, 50
CRITERIA = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 60, 1e-6)
MIDDLE = (SIDE - 1) / 2


def run(data: Path | None = None) -> str:
    faces = orl_faces().images if data is None else load_folder(data).images
    first, second = faces[: len(faces) // 2], faces[len(faces) // 2 :]
    chosen = second[:: max(1, len(second) // FACES)][:FACES]
    config = gmjax.FitConfig(solver="lm")
    models = [gmjax.fit(face, gmjax.published_common_face(), config=config).params for face in chosen]
    common, average = gmjax.fit_common(first, config=config).params, first.mean(axis=0)
    same = _trials(chosen, TRIALS_SAME, lambda which: (models[which], chosen[which]), repeated=False)
    new = _trials(chosen, TRIALS_NEW, lambda _: (common, average), repeated=True)
    heads = ("task", "side", "median, px", "95 %, px", "above 2 px or none", "ms")
    rows = [("same face", *row) for row in same] + [("new face", *row) for row in new]
    return table(heads, rows)


def _trials(faces, count: int, known, *, repeated: bool):
    """(side, median, 95 %, failures, milliseconds) of each side; ``known(which)``: (model, picture) to register."""
    sides = {
        "gmjax, similarity": lambda model, _, target: _gmjax(model, target, "similarity"),
        "gmjax, affine": lambda model, _, target: _gmjax(model, target, "affine"),
        "ECC, affine": lambda _, picture, target: _ecc(picture, target, cv2.MOTION_AFFINE),
        "ECC, Euclidean": lambda _, picture, target: _ecc(picture, target, cv2.MOTION_EUCLIDEAN),
    }
    rng = np.random.default_rng(0)
    errors, seconds = ({side: [] for side in sides} for _ in range(2))
    for register in sides.values():
        register(*known(0), faces[0])
    unmoved = {
        (side, which): register(*known(which), faces[which]) if repeated else lambda points: points
        for side, register in sides.items()
        for which in range(len(faces))
    }
    for trial in range(count):
        which = trial % len(faces)
        matrix, shift = _random_map(rng)
        target = _moved(faces[which], matrix, shift)
        for side, register in sides.items():
            began = time.perf_counter()
            found = register(*known(which), target)
            seconds[side].append(time.perf_counter() - began)
            expected = unmoved[side, which]
            if found is None or expected is None:
                errors[side].append(np.inf)
                continue
            away = found(POINTS) - expected((POINTS - MIDDLE) @ matrix.T + MIDDLE + shift)
            errors[side].append(np.linalg.norm(away, axis=1).mean())
    return [
        (
            side,
            float(np.median(errors[side])),
            float(np.percentile(errors[side], 95, method="higher")),
            f"{sum(not error < 2 for error in errors[side])} of {count}",
            1e3 * float(np.median(seconds[side])),
        )
        for side in sides
    ]


def _random_map(rng):
    """x -> M (x - middle) + middle + shift, in pixels."""
    angle, size = np.radians(15) * rng.uniform(-1, 1), np.exp(0.15 * rng.uniform(-1, 1))
    cosine, sine = size * np.cos(angle), size * np.sin(angle)
    return np.array([[cosine, -sine], [sine, cosine]]), 8 * rng.uniform(-1, 1, 2)


def _moved(image, matrix, shift):
    offset = MIDDLE - matrix @ np.full(2, MIDDLE) + shift
    moved = affine_transform(np.float64(image), matrix, offset, order=3, mode="nearest")
    return np.float32(np.clip(0.85 * moved + 0.05, 0, 1))


def _gmjax(model, target, kind):
    """The map of points (n, 2), in pixels counted from 0."""
    found = jax.device_get(gmjax.registration.register(model, target, kind=kind))
    return lambda points: ((points + 1) / SIDE @ found.matrix.T + found.offset) * SIDE - 1


def _ecc(picture, target, motion):
    """As ``_gmjax``; None where OpenCV finds no map."""
    warp = np.eye(2, 3, dtype=np.float32)
    try:
        for sigma in LEVELS:
            blurred = [
                cv2.GaussianBlur(x, (0, 0), sigma) if sigma else np.ascontiguousarray(x) for x in (target, picture)
            ]
            _, warp = cv2.findTransformECC(*blurred, warp, motion, CRITERIA, None, 1)
    except cv2.error:
        return None
    # OpenCV's points are (x, y).
    return lambda points: (points[:, ::-1] @ warp[:, :2].T + warp[:, 2])[:, ::-1]
