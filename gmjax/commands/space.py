"""Commands on models that correspond: ``gmjax average``, ``morph``, ``symmetrise``, ``axis`` and ``compare``."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import jax
import numpy as np
from tyro.conf import Positional, arg

from gmjax import saving, space
from gmjax.commands.correspond import PAIRS, START
from gmjax.commands.model_sets import ModelSet, load_models, pictures_of
from gmjax.commands.options import Flag, option
from gmjax.commands.printing import say
from gmjax.commands.run_files import MODEL, write_figure
from gmjax.data import write_picture
from gmjax.data.films import write_film
from gmjax.errors import ArgumentError
from gmjax.files import models
from gmjax.files.tables import write_table
from gmjax.gmface import GmFace, render, stack, unstack

_Models = Annotated[
    Positional[tuple[Path, ...]],
    arg(
        metavar="MODELS",
        help="Run folders of gmjax fit --correspond, and model files in them.",
        help_behavior_hint="(required)",
    ),
]
_Out = Annotated[Path, arg(metavar="FOLDER", help="Folder for the results; files of the same names are replaced.")]
_Size = Annotated[int | None, option("PIXELS", "as they were fitted")]
# Pictures in a row of a figure.
STRIP = 7


@dataclasses.dataclass(kw_only=True)
class Average:
    """The average of faces, in their shapes as well as in what is light and dark."""

    paths: _Models

    weights: Annotated[tuple[float, ...], option("W ...", "equal")] = ()
    """How much each face counts, in the order of the faces."""

    size: _Size = None
    """Longer side of the pictures."""

    out: _Out = Path("runs/average")

    def run(self) -> int:
        faces = load_models(self.paths)
        if self.weights and len(self.weights) != len(faces):
            raise ArgumentError("weights", f"must be one for each of the {len(faces)} faces; got {len(self.weights)}")
        weights = np.asarray(self.weights or np.ones(len(faces)), np.float32)
        if not np.isfinite(weights).all() or abs(weights.sum()) < 1e-6:
            raise ArgumentError("weights", "must be finite, and their sum not 0")
        average = space.mean(faces.params, weights)
        shape = _shape(faces, self.size)
        pixels = np.tensordot(weights / weights.sum(), pictures_of(faces.params, shape), 1)
        self.out.mkdir(parents=True, exist_ok=True)
        _save(self.out / MODEL, average, faces)
        write_picture(self.out / "average.png", pictures_of(average, shape))
        write_picture(self.out / "pixels.png", pixels)
        write_table(self.out / "faces.csv", ("face", "weight"), zip(faces.names, weights.tolist(), strict=True))
        say(
            f"Average of {len(faces)} faces: {self.out / 'average.png'}, and its formula {self.out / MODEL}.\n"
            f"For comparison, pixels.png is the average of their pictures; faces.csv lists them."
        )
        return 0


@dataclasses.dataclass(kw_only=True)
class Morph:
    """A film from one face to the next: of two faces, or through several."""

    paths: _Models

    frames: Annotated[int, arg(metavar="N")] = 50
    """Number of pictures in the film."""

    seconds: Annotated[float, arg(metavar="S")] = 4.0
    """Length of the film."""

    loop: Flag = False
    """Go back to the first face, so that the film can be repeated without a jump."""

    reach: Annotated[tuple[float, float], arg(metavar="FROM TO")] = (0.0, 1.0)
    """For two faces: which part of the way the film shows. 0 1.5 goes beyond the second face, to its caricature."""

    format: Literal["gif", "png", "webp", "mp4"] = "gif"
    """gif: 256 colours, shown everywhere. png, webp: animated, all colours. mp4: for films (extra film)."""

    size: _Size = None
    """Longer side of the pictures."""

    out: _Out = Path("runs/morph")

    def run(self) -> int:
        from gmjax import plotting

        faces = load_models(self.paths)
        if len(faces) < 2:
            raise ArgumentError("paths", "must name at least two faces")
        if self.frames < 2 or not 0 < self.seconds < 3600:
            raise ArgumentError("frames", "must be at least 2, and --seconds above 0 and below 3600")
        if self.reach != (0.0, 1.0) and (len(faces) != 2 or self.loop):
            raise ArgumentError("reach", "is for two faces, without --loop")
        shape = _shape(faces, self.size)
        places, way = self._way(faces, self.frames)
        pictures = pictures_of(way, shape)
        self.out.mkdir(parents=True, exist_ok=True)
        film = self.out / f"morph.{self.format}"
        write_film(film, pictures, seconds=self.seconds)
        (self.out / "frames").mkdir(exist_ok=True)
        for number, picture in enumerate(pictures):
            write_picture(self.out / "frames" / f"{number:03d}.png", picture)
        some, strip = self._way(faces, STRIP if len(faces) == 2 else min(len(faces), 2 * STRIP))
        titles = [f"{place:.2f}" for place in some]
        write_figure(self.out / "strip.png", plotting.pictures_figure([pictures_of(strip, shape)], titles))
        models.save(self.out / "frames.safetensors", way, _kept(faces))
        names = [*faces.names, *faces.names[: int(self.loop)]]
        rows = [(frame, place, *_between(names, place)) for frame, place in enumerate(places.tolist())]
        write_table(self.out / "frames.csv", ("frame", "place", "from", "to", "share"), rows)
        say(f"{film}: {self.frames} pictures through {len(faces)} faces; see also strip.png, frames.csv and frames.")
        return 0

    def _way(self, faces: ModelSet, frames: int) -> tuple[np.ndarray, GmFace]:
        """The places of so many frames (0 the first face, 1 the second ...), and their models."""
        if self.reach != (0.0, 1.0):
            first, last = unstack(faces.params)
            places = np.linspace(*self.reach, frames, dtype=np.float32)
            return places, space.morph(first, last, places)
        legs = len(faces) - (not self.loop)
        places = np.linspace(0, legs, frames, endpoint=not self.loop, dtype=np.float32)
        return places, space.continuum(faces.params, frames, loop=self.loop)


@dataclasses.dataclass(kw_only=True)
class Symmetrise:
    """Faces made symmetric: the average of each with its mirror image, in shape as well as in light and dark."""

    paths: _Models

    amount: float = 1.0
    """1: symmetric. 0: the face itself. Below 0: more asymmetric."""

    size: _Size = None
    """Longer side of the pictures."""

    out: _Out = Path("runs/symmetrise")

    def run(self) -> int:
        from gmjax import plotting

        faces = load_models(self.paths)
        if not np.isfinite(self.amount):
            raise ArgumentError("amount", f"must be finite; got {self.amount}")
        pairs, center, shape = faces.pairs(), faces.center, _shape(faces, self.size)
        symmetric = jax.vmap(lambda face: space.symmetrise(face, pairs, center, self.amount))(faces.params)
        drawn = pictures_of(faces.params, faces.shape)
        asymmetry = np.sqrt(np.mean(np.square(drawn - drawn[:, :, ::-1]).reshape(len(faces), -1), axis=1)).tolist()
        self.out.mkdir(parents=True, exist_ok=True)
        for name, params in zip(faces.names, unstack(symmetric), strict=True):
            _save(self.out / f"{Path(name).name}.safetensors", params, faces)
            write_picture(self.out / f"{Path(name).name}.png", pictures_of(params, shape))
        shown = slice(0, STRIP)
        rows = [pictures_of(jax.tree.map(lambda x: x[shown], x), shape) for x in (faces.params, symmetric)]
        figure = plotting.pictures_figure(rows, list(faces.names[shown]), ["face", "symmetric"])
        write_figure(self.out / "symmetrise.png", figure)
        write_table(self.out / "asymmetry.csv", ("face", "asymmetry"), zip(faces.names, asymmetry, strict=True))
        say(
            f"{len(faces)} faces: a picture and a formula of each in {self.out}; see also symmetrise.png.\n"
            "asymmetry.csv has the root of the mean squared difference of each picture and its mirror image."
        )
        return 0


@dataclasses.dataclass(kw_only=True)
class Axis:
    """The axis from the average of one group of faces to that of another, and faces moved along it."""

    first: Annotated[tuple[Path, ...], arg(metavar="MODELS", help_behavior_hint="(required)")]
    """The first group: run folders, folders in their models, or model files."""

    second: Annotated[tuple[Path, ...], arg(metavar="MODELS", help_behavior_hint="(required)")]
    """The second group."""

    move: Annotated[tuple[Path, ...], option("MODELS", "the middle of both averages")] = ()
    """Faces to move. They must correspond to both groups."""

    places: Annotated[tuple[float, ...], option("T ...", "-3 -2 -1 0 1 2 3")] = (-3, -2, -1, 0, 1, 2, 3)
    """How far each face is moved: 0 is the face itself, 2 the whole way from the first average to the second."""

    only: Literal["weights", "shapes", "both"] = "both"
    """weights: change only what is light and dark. shapes: only where things are and how wide."""

    size: _Size = None
    """Longer side of the pictures."""

    out: _Out = Path("runs/axis")

    def run(self) -> int:
        from gmjax import plotting

        first = load_models(self.first)
        second = load_models(self.second, like=first)
        moved = load_models(self.move, like=first) if self.move else None
        if not self.places or not np.isfinite(self.places).all():
            raise ArgumentError("places", f"must be finite numbers; got {self.places}")
        averages = [space.mean(group.params) for group in (first, second)]
        direction = space.difference(*averages)
        starts = [space.mean(stack(averages))] if moved is None else unstack(moved.params)
        names = ["middle"] if moved is None else [Path(name).name for name in moved.names]
        amounts = np.asarray(self.places, np.float32) * 0.5
        each = {
            "both": (amounts, amounts), "weights": (amounts, 0 * amounts), "shapes": (0 * amounts, amounts)
        }[self.only]  # fmt: skip
        self.out.mkdir(parents=True, exist_ok=True)
        rows = []
        for name, face in zip(names, starts, strict=True):
            way = space.move(face, direction, *each)
            models.save(self.out / f"{name}.safetensors", way, _kept(first))
            rows.append(pictures_of(way, _shape(first, self.size)))
            for place, picture in zip(self.places, rows[-1], strict=True):
                write_picture(self.out / f"{name} {place:+g}.png", picture)
        titles = [f"{place:+g}" if place else "0, itself" for place in self.places]
        write_figure(self.out / "axis.png", plotting.pictures_figure(rows[:STRIP], titles, names[:STRIP]))
        groups = {"first": first, "second": second} | ({} if moved is None else {"moved": moved})
        scores = [
            (face, kind, score)
            for kind, group in groups.items()
            for face, score in zip(group.names, space.places_along(group.params, *averages).tolist(), strict=True)
        ]
        write_table(self.out / "scores.csv", ("face", "group", "score"), scores)
        say(
            f"{self.out / 'axis.png'}: {', '.join(names[:STRIP])} moved by {' '.join(f'{p:g}' for p in self.places)}, "
            f"where 2 is the way from the average of the first group ({len(first)} faces) to that of the second "
            f"({len(second)}).\nscores.csv has the place of each face on the axis: -1 and +1 are the two averages."
        )
        return 0


@dataclasses.dataclass(kw_only=True)
class Compare:
    """Distances between faces, the nearest ones, a map of them, and their principal components."""

    paths: _Models

    axes: Annotated[int | None, option("K", "10, or fewer for few faces")] = None
    """Number of principal components. They need faces that correspond; distances do not."""

    out: _Out = Path("runs/compare")

    def run(self) -> int:
        from gmjax import plotting

        faces = load_models(self.paths, corresponding=False)
        if len(faces) < 3:
            raise ArgumentError("paths", "must name at least three faces")
        distances = _pixel_distances(pictures_of(faces.params, faces.shape))
        thumbnails = pictures_of(faces.params, _shape(faces, 64))
        self.out.mkdir(parents=True, exist_ok=True)
        of_formulas = np.asarray(space.distances(faces.params), np.float64)
        for file, matrix in (("distances.csv", distances), ("formula_distances.csv", of_formulas)):
            rows = [(name, *row) for name, row in zip(faces.names, matrix.tolist(), strict=True)]
            write_table(self.out / file, ("face", *faces.names), rows)
        upper = np.triu_indices(len(faces), 1)
        pairs = sorted(zip(distances[upper].tolist(), *(index.tolist() for index in upper), strict=True))
        named = [(faces.names[i], faces.names[j], distance) for distance, i, j in pairs]
        write_table(self.out / "pairs.csv", ("face", "other", "distance"), named)
        columns = ("face", "nearest", "distance", "mean_distance")
        write_table(self.out / "nearest.csv", columns, _nearest(faces.names, distances))
        places = space.map_of(distances)
        write_figure(self.out / "map.png", plotting.map_figure(places, thumbnails, faces.names))
        said = (
            f"{len(faces)} faces: distances.csv, pairs.csv (the nearest first), nearest.csv and map.png in {self.out}."
        )
        if faces.start is not None:
            said += "\n" + self._principal(faces)
            _write_differences(self.out / "differences.png", faces)
        say(said)
        return 0

    def _principal(self, faces: ModelSet) -> str:
        from gmjax import plotting

        count = min(10, len(faces) - 1) if self.axes is None else self.axes
        found = space.principal_axes(faces.params, count)
        columns = ("face", *(f"axis {number}" for number in range(1, count + 1)))
        rows = [(name, *row) for name, row in zip(faces.names, np.asarray(found.scores).tolist(), strict=True)]
        write_table(self.out / "scores.csv", columns, rows)
        steps = np.arange(-2, 3)
        shown = min(count, 5)
        scores = np.zeros((shown, len(steps), count), np.float32)
        scores[np.arange(shown), :, np.arange(shown)] = steps
        pictures = pictures_of(space.from_scores(found, scores.reshape(-1, count)), faces.shape)
        grid = pictures.reshape(shown, len(steps), *pictures.shape[1:])
        heads = [f"axis {number}: {share:.0%}" for number, share in enumerate(found.shares[:shown].tolist(), 1)]
        titles = [f"{step:+d} SD" if step else "average" for step in steps]
        write_figure(self.out / "axes.png", plotting.pictures_figure(list(grid), titles, heads))
        return (
            f"scores.csv has {count} principal components, {found.shares.sum():.0%} of the variance; see also axes.png."
        )


def _write_differences(path: Path, faces: ModelSet) -> None:
    """The first faces, and their difference from the average of all: gray where there is none."""
    from gmjax import plotting

    shown = jax.tree.map(lambda leaf: leaf[:STRIP], faces.params)
    average = np.asarray(render(space.mean(faces.params), faces.shape))
    difference = np.clip(0.5 + np.asarray(render(shown, faces.shape)) - average, 0, 1)
    rows = [pictures_of(shown, faces.shape), difference]
    heads = ["face", "minus the average"]
    write_figure(path, plotting.pictures_figure(rows, list(faces.names[:STRIP]), heads))


def _shape(faces: ModelSet, size: int | None) -> tuple[int, int]:
    if size is None:
        return faces.shape
    if not 2 <= size <= 4096:
        raise ArgumentError("size", f"must be from 2 to 4096 pixels; got {size}")
    scale = size / max(faces.shape)
    return max(1, round(scale * faces.shape[0])), max(1, round(scale * faces.shape[1]))


def _save(path: Path, params: GmFace, faces: ModelSet) -> None:
    saving.save(path, params, _kept(faces))


def _kept(faces: ModelSet) -> dict[str, str]:
    """What the header of a model says that was made from ``faces``: it corresponds to the same models."""
    height, width = faces.shape
    kept = {name: text for name, text in faces.metadata.items() if name in (START, PAIRS)}
    return {"height": str(height), "width": str(width), **kept}


def _between(names: Sequence[str], place: float) -> tuple[str, str, float]:
    first = int(np.clip(np.floor(place), 0, len(names) - 2))
    return names[first], names[first + 1], place - first


def _pixel_distances(pictures: np.ndarray) -> np.ndarray:
    """The root of the mean squared difference of each two pictures."""
    flat = pictures.reshape(len(pictures), -1).astype(np.float64)
    squares = np.square(flat).sum(axis=1)
    squared = (squares[:, None] + squares[None] - 2 * flat @ flat.T) / flat.shape[1]
    return np.sqrt(np.where(np.eye(len(flat), dtype=bool), 0, np.maximum(squared, 0)))


def _nearest(names: Sequence[str], distances: np.ndarray) -> list[tuple[str, str, float, float]]:
    """The nearest other face of each, its distance, and the mean distance from all others: how distinctive it is."""
    others = distances + np.where(np.eye(len(names), dtype=bool), np.inf, 0)
    nearest, mean = others.argmin(axis=1), distances.sum(axis=1) / (len(names) - 1)
    return [(name, names[j], others[i, j], mean[i]) for i, (name, j) in enumerate(zip(names, nearest, strict=True))]
