"""The ``gmjax`` command: each subcommand is one dataclass, its fields the options, its ``run`` the calls."""

import contextlib
import dataclasses
import math
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from tqdm import tqdm
from tyro.conf import Positional, arg, subcommand

from gmjax import io, parallel, runs, transforms
from gmjax.config import FitConfig
from gmjax.data import (
    MAX_PIXELS,
    Faces,
    PictureError,
    caspeal_faces,
    load_folder,
    load_picture,
    orl_faces,
    read_eyes_csv,
    read_picture,
    write_picture,
)
from gmjax.data.faces import _eyes_table, _picture_names
from gmjax.fitting import FitResult
from gmjax.gmface import GmFace, precision, render
from gmjax.losses import mse
from gmjax.published import published_common_face

PUBLISHED_COMPONENTS = 80
DEFAULT_SIZE = 120
MODEL = "model.safetensors"


Flag = Annotated[bool, arg(help_behavior_hint="")]


class UsageError(ValueError):
    """Arguments that do not go together, or that the library refused; the text is for the person at the terminal."""


@dataclasses.dataclass(kw_only=True)
class _FitOptions:
    components: Annotated[int | None, arg(metavar="M", help_behavior_hint="(default: 80, or as in --start)")] = None
    """Number of Gaussians, m. A gray picture is then 6 m numbers, a colour one 8 m."""

    steps: Annotated[int | None, arg(metavar="N", help_behavior_hint="(default: the recipe's)")] = None
    """Steps of the solver."""

    recipe: Literal["default", "paper"] = "default"
    """default: chosen by measuring. paper: Adam at a rate of 0.001 and a loss of MSE + 0.1 PAE."""

    pae_weight: Annotated[float | None, arg(metavar="LAMBDA", help_behavior_hint="(default: the recipe's)")] = None
    """lambda in the loss MSE + lambda PAE."""

    start: Annotated[
        str | None,
        arg(
            metavar="published|grid|random|FILE",
            help_behavior_hint="(default: published for aligned faces and 80 components, else grid)",
        ),
    ] = None
    """Where the fit starts: the paper's published common face, an even grid, random Gaussians, or a model file."""

    size: Annotated[int, arg(metavar="PIXELS")] = DEFAULT_SIZE
    """Side of the aligned faces in pixels."""

    color: Flag = False
    """Keep the colours."""

    eyes: Annotated[Path | None, arg(metavar="CSV", help_behavior_hint="(default: eyes.csv with the pictures)")] = None
    """Table of eye positions: file,left_x,left_y,right_x,right_y. Without any the eyes are found automatically."""

    seed: Annotated[int, arg(metavar="N")] = 0
    """Seed of everything random."""

    overwrite: Flag = False
    """Write into a folder that is not empty."""

    def _plan(self, in_crop: bool, **more) -> tuple[FitConfig, GmFace | None, str]:
        """(how to fit, the model to start from or None, what the start is called)."""
        if not 2 <= self.size <= math.isqrt(MAX_PIXELS):
            raise UsageError(f"--size must be from 2 to {math.isqrt(MAX_PIXELS)} pixels; got {self.size}")
        if not 0 <= self.seed < 2**32:
            raise UsageError(f"--seed must be from 0 to 2^32 - 1; got {self.seed}")
        start = self.start
        if start is None:
            is_published = in_crop and self.components in (None, PUBLISHED_COMPONENTS)
            start = "published" if is_published else "grid"
        init = None
        if start not in ("grid", "random"):
            init = published_common_face() if start == "published" else io.load(start)
            if self.components not in (None, init.num_components):
                raise UsageError(
                    f"--start {start} has {init.num_components} components, not {self.components}: leave --components "
                    "out, or start from grid"
                )
            if init.channels is not None and (not self.color or init.channels != 3):
                raise UsageError(f"--start {start} is a model with {init.channels} channels: it needs colour, --color")
        changes = {
            "num_components": self.components if init is None else init.num_components,
            "start": start if init is None else None,
            "steps": self.steps,
            "pae_weight": self.pae_weight,
            **more,
        }
        with _refusals():
            make = FitConfig.paper if self.recipe == "paper" else FitConfig
            config = make(**{name: value for name, value in changes.items() if value is not None})
        return config, init, start


@dataclasses.dataclass(kw_only=True)
class CommonModel(_FitOptions):
    """Fit one formula to all faces of a collection: their common face."""

    data: Annotated[Path | None, arg(metavar="FOLDER", help_behavior_hint="(default: the 400 ORL faces)")] = None
    """Folder with pictures of faces, folders in it included."""

    caspeal: Annotated[Path | None, arg(metavar="ROOT", help_behavior_hint="(default: not used)")] = None
    """Folder of the CAS-PEAL-R1 database; takes its 1040 frontal normal faces."""

    aligned: Flag = False
    """The pictures in --data are aligned to the paper's crop already."""

    batch_size: Annotated[int | None, arg(metavar="N", help_behavior_hint="(default: all faces in every step)")] = None
    """Faces a step, the paper's way (256)."""

    epochs: Annotated[int | None, arg(metavar="N", help_behavior_hint="(default: --steps counts)")] = None
    """With --batch-size: passes over the faces, in place of --steps (the paper: 2000)."""

    out: Path = Path("runs/common-model")
    """Run folder for the model, pictures, figures and configuration."""

    def run(self) -> int:
        self._check()
        config, init, start = self._plan(in_crop=True, batch_size=self.batch_size, epochs=self.epochs)
        folder = runs.create(self.out, overwrite=self.overwrite)
        faces = self._faces()
        runs.write_configuration(folder, "common-model", self, config, start=start, seed=self.seed)
        runs.write_versions(folder)
        if faces.skipped:
            runs.write_table(folder / runs.SKIPPED, ("picture", "reason"), faces.skipped)

        result, seconds = _fit_with_progress(faces.images, init, config, self.seed)
        average = jnp.asarray(np.mean(faces.images, axis=0, dtype=np.float64), faces.images.dtype)
        drawn = render(result.params, average.shape[:2], offset=config.offset)
        to_average = float(mse(drawn, average))

        io.save(folder / MODEL, result.params, _metadata(config, average.shape, f"common face of {len(faces)} faces"))
        write_picture(folder / "common_face.png", np.asarray(drawn))
        write_picture(folder / "average_face.png", np.asarray(average))
        _write_loss(folder, result)
        figures = _figures(result) | {"mse_to_average": to_average}
        _write_metrics(folder, {"faces": len(faces), **figures, "seconds": round(seconds, 2)})
        from gmjax import plotting

        plotting.common_figure(result.params, average, config.offset).savefig(folder / "comparison.png", dpi=150)

        _say_skipped(len(faces.skipped), len(faces.skipped) + len(faces), folder)
        print(f"Common face of {len(faces)} faces from {start}, seed {self.seed}, {seconds:.1f} s.")
        print(f"The model is {folder / MODEL}; beside it common_face.png, comparison.png, loss.png and metrics.csv.")
        print(f"{_line_of_figures(result)}  MSE to the average face {to_average:.3g}")
        return 0

    def _check(self) -> None:
        if self.data is not None and self.caspeal is not None:
            raise UsageError("give --data or --caspeal, not both")
        if self.data is None and (self.aligned or self.eyes or self.color):
            raise UsageError("--aligned, --eyes and --color go with --data: the others are gray, with known eyes")
        if self.data is not None and not self.data.is_dir():
            raise UsageError(f"--data {self.data}: no such folder")

    def _faces(self) -> Faces:
        if self.data is None and self.caspeal is None:
            return orl_faces(size=self.size)
        with _progress("reading faces", "face") as bar:

            def report(done: int, total: int) -> None:
                bar.total = total
                bar.update(done - bar.n)

            if self.data is None:
                assert self.caspeal is not None
                return caspeal_faces(self.caspeal, size=self.size, report=report)
            return load_folder(
                self.data, eyes=self.eyes, aligned=self.aligned, size=self.size, color=self.color, report=report
            )


@dataclasses.dataclass(kw_only=True)
class Fit(_FitOptions):
    """Write a picture, or every picture of a folder, as a formula. Faces are first aligned by their eyes."""

    path: Positional[Path]
    """A picture, or a folder of pictures, folders in it included."""

    aligned: Flag = False
    """Take any pictures as they are, shrunk until the longer side is at most --size."""

    out: Annotated[Path | None, arg(metavar="FOLDER", help_behavior_hint="(default: runs/NAME)")] = None
    """Run folder for the models, pictures, metrics and configuration."""

    def run(self) -> int:
        if not self.path.exists():
            raise UsageError(f"{self.path}: no such picture or folder")
        config, init, start = self._plan(in_crop=not self.aligned)
        name = self.path.resolve().name if self.path.is_dir() else self.path.stem
        # The stem of "...png" is "..", which is no name for a folder of ours.
        default = Path("runs", name if name.strip(".") else "picture")
        folder = runs.create(self.out or default, overwrite=self.overwrite)
        fit = self._fit_folder if self.path.is_dir() else self._fit_picture
        return fit(folder, config, init, start)

    def _begin(self, folder: Path, config: FitConfig, start: str) -> None:
        runs.write_configuration(folder, "fit", self, config, start=start, seed=self.seed)
        runs.write_versions(folder)

    def _fit_picture(self, folder: Path, config: FitConfig, init: GmFace | None, start: str) -> int:
        eyes = None
        if self.eyes is not None and not self.aligned:
            eyes = read_eyes_csv(self.eyes).get(self.path.name)
            if eyes is None:
                raise UsageError(f"{self.eyes} has no row for {self.path.name}")
        image = load_picture(self.path, eyes=eyes, aligned=self.aligned, size=self.size, color=self.color)
        self._begin(folder, config, start)
        # A collection of one: the same loss, and a run that reports how it goes.
        result, seconds = _fit_with_progress(image[None], init, config, self.seed)
        if not np.isfinite(result.info.mse):
            print(f"gmjax: {self.path}: {_DIVERGED}", file=sys.stderr)
            return 1
        io.save(folder / MODEL, result.params, _metadata(config, image.shape, _text(self.path.name)))
        write_picture(folder / "picture.png", image)
        write_picture(folder / "render.png", np.asarray(render(result.params, image.shape[:2], offset=config.offset)))
        _write_loss(folder, result)
        height, width = image.shape[:2]
        _write_metrics(folder, {"height": height, "width": width, **_figures(result), "seconds": round(seconds, 2)})
        from gmjax import plotting

        plotting.fit_figure(image, result.params, config.offset).savefig(folder / "fit.png", dpi=150)
        print(f"{_text(self.path)} ({height} x {width}) from {start}, seed {self.seed}, {seconds:.1f} s.")
        print(f"The model is {folder / MODEL}; beside it render.png, fit.png, loss.png and metrics.csv.")
        print(_line_of_figures(result))
        return 0

    def _fit_folder(self, folder: Path, config: FitConfig, init: GmFace | None, start: str) -> int:
        names = _picture_names(self.path)
        table = None if self.aligned else _eyes_table(self.path, self.eyes, names)
        self._begin(folder, config, start)
        fitted: list[tuple[str, tuple[int, ...]]] = []
        lost: list[tuple[str, str]] = []
        errors: list[float] = []

        def lose(name: str, reason: object) -> None:
            lost.append((name, str(reason)))
            bar.update()

        def images() -> Iterator[np.ndarray]:
            for name in names:
                try:
                    if len(os.fsencode(Path(name).name)) > _LONGEST_NAME:
                        raise PictureError("its name is too long to be given to a model file")
                    if table is not None and name not in table:
                        raise PictureError("it has no row in the table of eyes")
                    eyes = None if table is None else table[name]
                    path = self.path / name
                    image = load_picture(path, eyes=eyes, aligned=self.aligned, size=self.size, color=self.color)
                except PictureError as error:
                    lose(name, error)
                    continue
                fitted.append((name, image.shape))
                yield image

        columns = ("picture", "height", "width", "components", "parameters", "mse", "pae", "psnr")
        begun = time.perf_counter()
        with (
            runs.table(folder / runs.METRICS, columns) as (writer, stream),
            _progress("fitting", "face", len(names)) as bar,
        ):
            try:
                for number, result in parallel.fit_many(images(), init, config=config, key=jax.random.key(self.seed)):
                    name, shape = fitted[number]
                    if isinstance(result, Exception):
                        lose(name, result)
                        continue
                    if not np.isfinite(result.info.mse):
                        lose(name, _DIVERGED)
                        continue
                    # The whole name, suffix and folders too: a.png, a.jpg and b/a.png stay apart, and in here.
                    model, picture = folder / "models" / f"{name}.safetensors", folder / "renders" / f"{name}.png"
                    for path in (model, picture):
                        path.parent.mkdir(parents=True, exist_ok=True)
                    io.save(model, result.params, _metadata(config, shape, _text(name)))
                    write_picture(picture, np.asarray(render(result.params, shape[:2], offset=config.offset)))
                    writer.writerow((name, *shape[:2], *_figures(result).values()))
                    stream.flush()
                    errors.append(float(result.info.mse))
                    bar.set_postfix_str(f"mean MSE {np.mean(errors):.3g}", refresh=False)
                    bar.update()
            finally:
                if lost:
                    runs.write_table(folder / runs.SKIPPED, ("picture", "reason"), lost)
        seconds = time.perf_counter() - begun
        _say_skipped(len(lost), len(names), folder)
        print(f"{len(errors)} of {len(names)} pictures from {start}, seed {self.seed}, {seconds:.1f} s.")
        print(f"The models are in {folder / 'models'}; beside them renders and metrics.csv.")
        if errors:
            print(f"mean MSE {np.mean(errors):.3g}  lowest {min(errors):.3g}  highest {max(errors):.3g}")
        return 1 if lost else 0


@dataclasses.dataclass(kw_only=True)
class Render:
    """Draw a model at any size."""

    model: Annotated[Positional[Path], arg(metavar="MODEL")]
    """Model file."""

    out: Annotated[Positional[Path], arg(metavar="OUT")]
    """Picture to write; its suffix (.png, .jpg, .tif ...) is its format."""

    size: Annotated[
        tuple[int, ...], arg(metavar="H [W]", help_behavior_hint="(default: as it was fitted, or 120)")
    ] = ()
    """Height and width in pixels; or one number, the longer side."""

    def run(self) -> int:
        params, metadata = io.load(self.model), io.load_metadata(self.model)
        shape = self._shape(_fitted_shape(metadata))
        _write_render(self.out, params, shape, metadata)
        print(f"{self.out}: {shape[0]} x {shape[1]} pixels")
        return 0

    def _shape(self, fitted: tuple[int, int]) -> tuple[int, int]:
        if len(self.size) > 2 or min(self.size, default=1) < 1:
            raise UsageError(f"--size takes one or two numbers of at least 1; got {' '.join(map(str, self.size))}")
        if len(self.size) == 2:
            height, width = self.size
        else:
            scale = self.size[0] / max(fitted) if self.size else 1.0
            height, width = (max(1, round(scale * side)) for side in fitted)
        if height * width > MAX_PIXELS:
            raise UsageError(f"{height} x {width} are more than the {MAX_PIXELS} pixels that a picture may have")
        return height, width


@dataclasses.dataclass(kw_only=True)
class Transform:
    """Move a model exactly, by its parameters: scaled first, then rotated, then translated."""

    model: Annotated[Positional[Path], arg(metavar="MODEL")]
    """Model file."""

    out: Annotated[Positional[Path], arg(metavar="OUT")]
    """Model file to write."""

    scale: Annotated[float, arg(metavar="K")] = 1.0
    """f(K x): with 2 the picture becomes half as large, with 0.5 twice as large."""

    rotate: Annotated[float, arg(metavar="DEGREES")] = 0.0
    """Turn counter-clockwise."""

    translate: Annotated[tuple[float, float], arg(metavar="R C")] = (0.0, 0.0)
    """Move down by R heights and to the right by C widths of the picture."""

    center: Annotated[tuple[float, float], arg(metavar="R C")] = (0.5, 0.5)
    """The point that scaling and rotating leave where it is, as (row, column) from 0 to 1."""

    aspect: Annotated[float | None, arg(metavar="A", help_behavior_hint="(default: as it was fitted)")] = None
    """Width divided by height of the picture, so that rotating does not shear."""

    picture: Annotated[Path | None, arg(metavar="FILE", help_behavior_hint="(default: none)")] = None
    """Also draw the moved model into this picture."""

    def run(self) -> int:
        params, metadata = io.load(self.model), io.load_metadata(self.model)
        shape = _fitted_shape(metadata)
        aspect = shape[1] / shape[0] if self.aspect is None else self.aspect
        if not all(map(math.isfinite, (self.scale, self.rotate, aspect, *self.translate, *self.center))):
            raise UsageError("--scale, --rotate, --translate, --center and --aspect must be finite numbers")
        with _refusals():
            params = transforms.scale(params, self.scale, self.center)
            params = transforms.rotate(params, math.radians(self.rotate), self.center, aspect)
            params = transforms.translate(params, self.translate)
            io.save(self.out, params, metadata)
        print(f"{self.out}: scaled by {self.scale:g}, rotated by {self.rotate:g} degrees, moved by {self.translate}")
        if self.picture is not None:
            _write_render(self.picture, params, shape, metadata)
            print(f"{self.picture}: {shape[0]} x {shape[1]} pixels")
        return 0


@dataclasses.dataclass(kw_only=True)
class Plot:
    """Draw a figure of a model."""

    model: Annotated[Positional[Path], arg(metavar="MODEL")]
    """Model file."""

    out: Annotated[Positional[Path], arg(metavar="OUT")]
    """Figure to write; its suffix (.png, .pdf, .svg ...) is its format."""

    kind: Literal["components", "surface", "fit"] = "components"
    """components: the Gaussians and their weights. surface: 1 - f in space. fit: beside --image, with errors."""

    image: Annotated[Path | None, arg(metavar="PICTURE", help_behavior_hint="(for --kind fit)")] = None
    """The picture the model was fitted to, aligned as it was then: picture.png of its run folder."""

    def run(self) -> int:
        from gmjax import plotting

        if (self.kind == "fit") != (self.image is not None):
            raise UsageError("--kind fit and --image go together")
        params, metadata = io.load(self.model), io.load_metadata(self.model)
        shape, offset = _fitted_shape(metadata), float(metadata["offset"])
        if self.image is not None:
            if params.channels not in (None, 3):
                raise UsageError(f"{self.model} has {params.channels} channels, and a picture 1 or 3")
            image = read_picture(self.image, color=params.channels is not None)
            figure = plotting.fit_figure(image, params, offset)
        elif self.kind == "surface":
            figure = plotting.surface_figure(params, shape, offset)
        else:
            figure = plotting.components_figure(params, shape, offset)
        known = figure.canvas.get_supported_filetypes()
        if self.out.suffix.lower().lstrip(".") not in known:
            raise UsageError(f"{self.out}: unknown suffix; use one of {' '.join(f'.{name}' for name in sorted(known))}")
        figure.savefig(self.out, dpi=150)
        print(f"{self.out}: {self.kind} of {self.model}")
        return 0


@dataclasses.dataclass(kw_only=True)
class Info:
    """Say what a model file holds."""

    model: Annotated[Positional[Path], arg(metavar="MODEL")]
    """Model file."""

    def run(self) -> int:
        params, metadata = io.load(self.model), io.load_metadata(self.model)
        kind = "gray" if params.channels is None else f"{params.channels} channels"
        print(f"{self.model}: {params.num_components} components, {kind}, {params.num_parameters} parameters")
        for name, text in sorted(metadata.items(), key=lambda item: (item[0] not in io.HEADER, item[0])):
            print(f"  {_printable(name)}: {_printable(text)}")
        weights = np.asarray(params.weights).reshape(params.num_components, -1)
        largest = np.argsort(-np.abs(weights).max(axis=1), kind="stable")[:10]
        print(f"The {len(largest)} components of largest weight:")
        print(f"{'weight':>{9 * weights.shape[1]}}{'row':>9}{'column':>9}{'a11':>10}{'a21':>10}{'a22':>10}")
        means, matrices = np.asarray(params.means), np.asarray(precision(params))
        for i in largest:
            (a11, _), (a21, a22) = matrices[i]
            numbers = "".join(f"{number:9.4f}" for number in (*weights[i], *means[i]))
            print(numbers + "".join(f"{number:10.4g}" for number in (a11, a21, a22)))
        return 0


Command = (
    Annotated[CommonModel, subcommand("common-model")]
    | Annotated[Fit, subcommand("fit")]
    | Annotated[Render, subcommand("render")]
    | Annotated[Transform, subcommand("transform")]
    | Annotated[Plot, subcommand("plot")]
    | Annotated[Info, subcommand("info")]
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; the exit status: 0, 1 if some of the pictures were lost, 2 if the command cannot be done.

    Arguments that do not parse, and ``--help``, leave by SystemExit as usual.
    """
    command = tyro.cli(
        Command,
        args=argv,
        prog="gmjax",
        description="A face, or any picture, as one explicit formula: a sum of two-dimensional Gaussians.",
        config=(tyro.conf.FlagCreatePairsOff,),
    )
    _keep_compiled_programs()
    try:
        return command.run()
    except (UsageError, PictureError, io.ModelFileError, OSError, ImportError) as error:
        print(f"gmjax: {'; '.join(line.strip() for line in str(error).splitlines())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("gmjax: stopped", file=sys.stderr)
        return 130


_LONGEST_NAME = 255 - len(".safetensors")
_DIVERGED = "the fit came to numbers that are NaN or infinite; try another --start or the default recipe"


def _keep_compiled_programs() -> None:
    """The second run of a kind starts some seconds earlier. Whoever has set JAX's own cache keeps that."""
    if jax.config.jax_compilation_cache_dir is not None:  # type: ignore[attr-defined]
        return
    with contextlib.suppress(OSError, RuntimeError):  # no home, or not ours to write: then without
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        cache = Path(base, "gmjax")
        cache.mkdir(parents=True, exist_ok=True)
        if os.access(cache, os.W_OK):
            jax.config.update("jax_compilation_cache_dir", str(cache))
            jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    """Around calls that take the person's own arguments: what the library says of these is for the person."""
    try:
        yield
    except (TypeError, ValueError) as error:
        raise UsageError(str(error)) from error


def _progress(what: str, unit: str, total: int | None = None) -> tqdm:
    return tqdm(desc=what, unit=unit, total=total, disable=None, dynamic_ncols=True, leave=False)


def _fit_with_progress(images, init: GmFace | None, config: FitConfig, seed: int) -> tuple[FitResult, float]:
    """One model for all ``images``, and the seconds it took."""
    begun = time.perf_counter()
    with _progress("fitting", "step") as bar:

        def report(step: int, steps: int, loss: float) -> None:
            bar.total = steps
            bar.set_postfix_str(f"loss {loss:.4g}", refresh=False)
            bar.update(step - bar.n)

        result = parallel.fit_common(images, init, config=config, key=jax.random.key(seed), report=report)
        jax.block_until_ready(result)
    return result, time.perf_counter() - begun


def _figures(result: FitResult) -> dict[str, float]:
    params, info = result.params, result.info
    return {
        "components": params.num_components,
        "parameters": params.num_parameters,
        "mse": float(info.mse),
        "pae": float(info.pae),
        "psnr": float(info.psnr),
    }


def _line_of_figures(result: FitResult) -> str:
    figures = _figures(result)
    return (
        f"{figures['components']} components, {figures['parameters']} parameters  MSE {figures['mse']:.3g}  "
        f"PAE {figures['pae']:.3g}  PSNR {figures['psnr']:.1f} dB"
    )


def _write_metrics(folder: Path, metrics: dict[str, float]) -> None:
    runs.write_table(folder / runs.METRICS, tuple(metrics), [tuple(metrics.values())])


def _write_loss(folder: Path, result: FitResult) -> None:
    from gmjax import plotting

    runs.write_table(folder / runs.LOSS, ("step", "loss"), enumerate(np.asarray(result.info.loss).tolist()))
    plotting.loss_figure(result.info.loss).savefig(folder / "loss.png", dpi=150)


def _metadata(config: FitConfig, shape: Sequence[int], source: str) -> dict[str, str]:
    return {"offset": str(config.offset), "height": str(shape[0]), "width": str(shape[1]), "source": source}


def _fitted_shape(metadata: dict[str, str]) -> tuple[int, int]:
    """(H, W) of the picture that a model was fitted to; 120 x 120 where its file does not say."""
    sides = [metadata.get(name, "") for name in ("height", "width")]
    if all(side.isascii() and side.isdecimal() and len(side) < 9 for side in sides):
        height, width = map(int, sides)
        if 0 < height * width <= MAX_PIXELS:
            return height, width
    return DEFAULT_SIZE, DEFAULT_SIZE


def _write_render(path: Path, params: GmFace, shape: tuple[int, int], metadata: dict[str, str]) -> None:
    drawn = np.asarray(render(params, shape, offset=float(metadata["offset"])))
    write_picture(path, drawn[..., 0] if params.channels == 1 else drawn)


def _say_skipped(count: int, total: int, folder: Path) -> None:
    if count:
        print(
            f"gmjax: {count} of {total} pictures left out, for the reasons in {folder / runs.SKIPPED}", file=sys.stderr
        )


def _text(name: str | Path) -> str:
    """A file name as text, whatever bytes it has."""
    return os.fsencode(name).decode("utf-8", "replace")


def _printable(text: str) -> str:
    """Text from a file, which must not steer the terminal."""
    return text if text.isprintable() else repr(text)
