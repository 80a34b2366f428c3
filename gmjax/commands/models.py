"""Commands on model files: ``gmjax render``, ``transform``, ``plot`` and ``info``."""

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from tyro.conf import Positional, arg

from gmjax import frame, saving, transforms
from gmjax.commands.options import option
from gmjax.commands.outputs import require_writable
from gmjax.commands.printing import say
from gmjax.commands.run_files import FINGERPRINT, fingerprint, write_figure
from gmjax.commands.terminal import notice
from gmjax.data import MAX_PIXELS, Picture, read_picture, write_picture
from gmjax.data.formats import WRITTEN_SUFFIXES
from gmjax.errors import ArgumentError
from gmjax.files import models
from gmjax.files.gmf import SUFFIX as COMPACT
from gmjax.files.suffixes import require_suffix
from gmjax.gmface import Atoms, Model, kind_of, precision, render

MAX_FIGURE_PIXELS = 2**24  # a figure takes about 60 bytes for each
_OF_THE_FIT = ("mse", "pae", "psnr", FINGERPRINT)  # what no longer holds for a transformed model

Outside = Literal["fade", "clip", "formula"]

_Model = Annotated[Positional[Path], arg(metavar="MODEL", help="Model file.")]


@dataclasses.dataclass(kw_only=True)
class Render:
    """Draw a model at any size."""

    model: _Model

    out: Annotated[Positional[Path], arg(metavar="OUT")]
    """Picture to write; its suffix (.png, .jpg, .tif ...) is its format."""

    size: Annotated[tuple[int, ...], option("H [W]", "as it was fitted, or 120")] = ()
    """Height and width in pixels; or one number, the longer side."""

    outside: Outside = "fade"
    """What to draw outside of a picture that gmjax transform moved. fade: the formula fades into the mean of the
    picture's border. clip: that mean at once. formula: the formula goes on, with values that no fit has seen."""

    def run(self) -> int:
        require_writable(self.out)
        require_suffix(self.out, WRITTEN_SUFFIXES)
        params, metadata = load_model(self.model)
        shape = self._shape(models.fitted_shape(metadata))
        _write_render(self.out, params, shape, frame.from_metadata(metadata), self.outside)
        return 0

    def _shape(self, fitted: tuple[int, int]) -> tuple[int, int]:
        if len(self.size) > 2 or min(self.size, default=1) < 1:
            raise ArgumentError("size", f"takes one or two numbers of at least 1; got {' '.join(map(str, self.size))}")
        if len(self.size) == 2:
            height, width = self.size
        else:
            scale = self.size[0] / max(fitted) if self.size else 1.0
            height, width = (max(1, round(scale * side)) for side in fitted)
        if height * width > MAX_PIXELS or max(height, width) > models.MAX_SIDE:
            raise ArgumentError(
                "size", f"allows {MAX_PIXELS} pixels and {models.MAX_SIDE} per side; got {height} x {width}"
            )
        return height, width


@dataclasses.dataclass(kw_only=True)
class Transform:
    """Transform a model exactly, by its parameters: first zoom, then rotate, then translate."""

    model: _Model

    out: Annotated[Positional[Path], arg(metavar="OUT")]
    """Model file to write; its suffix (.safetensors or .gmf) is its kind."""

    zoom: Annotated[float, arg(metavar="Z")] = 1.0
    """Enlarge: 2 makes the picture twice as large, 0.5 half as large. In the paper's f(k x), k is 1 / Z."""

    rotate: Annotated[float, arg(metavar="DEGREES")] = 0.0
    """Turn counter-clockwise."""

    translate: Annotated[tuple[float, float], arg(metavar="R C")] = (0.0, 0.0)
    """Move down by R times the height and right by C times the width of the picture."""

    center: Annotated[tuple[float, float], arg(metavar="R C")] = (0.5, 0.5)
    """The point that stays in place when zooming and rotating, as (row, column) from 0 to 1."""

    aspect: Annotated[float | None, option("A", "as it was fitted")] = None
    """Width divided by height of the picture, so that rotating does not distort it."""

    picture: Annotated[Path | None, option("FILE")] = None
    """Also draw the result into this picture."""

    outside: Outside = "fade"
    """With --picture: what to draw outside of the moved picture, as in gmjax render."""

    def run(self) -> int:
        require_writable(self.out, model=self.model)
        saving.require_model_suffix(self.out)
        if self.picture is not None:
            require_writable(self.picture)
            require_suffix(self.picture, WRITTEN_SUFFIXES)
        params, metadata = load_model(self.model, drawable=self.picture is not None)
        shape = models.fitted_shape(metadata)
        for name in ("zoom", "rotate", "translate", "center", "aspect"):
            value = getattr(self, name)
            if value is not None and not np.isfinite(value).all():
                raise ArgumentError(name, f"must be finite; got {value}")
        if not self.zoom > 0:
            raise ArgumentError("zoom", f"must be above 0; got {self.zoom}")
        aspect = shape[1] / shape[0] if self.aspect is None else self.aspect
        moved = frame.from_metadata(metadata) or (np.eye(2), np.zeros(2))
        for step in (
            transforms.scaling(1 / self.zoom, self.center),
            transforms.rotation(math.radians(self.rotate), self.center, aspect),
            transforms.translation(self.translate),
        ):
            params = transforms.affine(params, *step)
            moved = frame.compose(moved, [np.asarray(part, float) for part in step])
        kept = {name: text for name, text in metadata.items() if name not in _OF_THE_FIT}
        saving.save(self.out, params, kept | frame.as_metadata(*moved))
        notice_lost_frame(self.out, frame.as_metadata(*moved))
        down, right = self.translate
        parts = (
            (self.zoom != 1, f"{self.zoom:g} times as large"),
            (self.rotate, f"turned {'counter-' * (self.rotate > 0)}clockwise by {abs(self.rotate):g} degrees"),
            (down, f"moved {'down' if down > 0 else 'up'} by {abs(down):g} of its height"),
            (right, f"moved {'right' if right > 0 else 'left'} by {abs(right):g} of its width"),
        )
        say(f"{self.out}: {', '.join(text for is_said, text in parts if is_said) or 'unchanged'}")
        if self.picture is not None:
            _write_render(self.picture, params, shape, moved, self.outside)
        return 0


@dataclasses.dataclass(kw_only=True)
class Plot:
    """Draw a figure of a model."""

    model: _Model

    out: Annotated[Positional[Path], arg(metavar="OUT")]
    """Figure to write; its suffix (.png, .pdf, .svg ...) is its format."""

    kind: Literal["components", "surface", "fit"] = "components"
    """components: the components and their weights (their peaks, if they are no Gaussians). surface: 1 - f as a
    landscape. fit: beside --image, with errors."""

    image: Annotated[Path | None, option("PICTURE")] = None
    """For --kind fit: the picture that the model was fitted to, aligned and cropped: picture.png of its run folder."""

    def run(self) -> int:
        from gmjax import plotting

        if self.kind == "fit" and self.image is None:
            raise ArgumentError("image", "is needed with --kind fit: give picture.png of the model's run folder")
        if self.kind != "fit" and self.image is not None:
            raise ArgumentError("image", f"goes with --kind fit, not with --kind {self.kind}")
        require_writable(self.out)
        params, metadata = load_model(self.model)
        height, width = models.fitted_shape(metadata)
        scale = min(1.0, math.sqrt(MAX_FIGURE_PIXELS / (height * width)))
        shape = max(1, int(scale * height)), max(1, int(scale * width))
        if self.image is not None:
            if params.channels == 1:
                raise ArgumentError("kind", f"fit needs a gray or colour picture; {self.model} has 1 channel")
            picture = fitted_picture("image", self.image, params, metadata)
            figure = plotting.fit_figure(picture, params)
        elif self.kind == "surface":
            figure = plotting.surface_figure(params, shape)
        else:
            figure = plotting.components_figure(params, shape)
        write_figure(self.out, figure)
        say(f"{self.out}: {self.kind} of {self.model}")
        return 0


@dataclasses.dataclass(kw_only=True)
class Info:
    """Show what a model file contains."""

    model: _Model

    def run(self) -> int:
        params, metadata = load_model(self.model, drawable=False)
        batch, header = params.means.shape[:-2], models.header_of(params)
        many = f"a batch {batch} of models, each with " if batch else ""
        facts = f"{params.num_components} components, {kind_of(params)}, {params.num_parameters} parameters"
        say(f"{self.model}: {many}{facts}")
        _print_texts({name: text for name, text in metadata.items() if name not in header})
        if not batch:
            _print_components(params)
        say("The file's format:")
        _print_texts({name: text for name, text in metadata.items() if name in header})
        return 0


def _print_texts(texts: dict[str, str]) -> None:
    for name, text in sorted(texts.items()):
        say(f"  {_printable(name)}: {_printable(text)}")


def _print_components(params: Model) -> None:
    weights = np.asarray(params.weights).reshape(params.num_components, -1)
    largest = np.argsort(-np.abs(weights).max(axis=1), kind="stable")[:10]
    say(f"The {len(largest)} components of largest weight:")
    heads, own = _heads_of_weights(params, weights.shape[1]), []
    parameters = np.empty((params.num_components, 0))
    if isinstance(params, Atoms):
        own, parameters = [parameter.name for parameter in params.profile.parameters], np.asarray(params.parameters)
    more = "".join(f"{name:>{len(name) + 2}}" for name in own)
    say(f"{''.join(f'{head:>9}' for head in heads)}{'row':>9}{'column':>9}{'a11':>10}{'a21':>10}{'a22':>10}{more}")
    means, matrices = np.asarray(params.means), np.asarray(precision(params))
    for i in largest:
        (a11, _), (a21, a22) = matrices[i]
        numbers = "".join(f"{number:9.4f}" for number in (*weights[i], *means[i]))
        numbers += "".join(f"{number:10.4g}" for number in (a11, a21, a22))
        say(numbers + "".join(f"{x:{len(name) + 2}.4g}" for name, x in zip(own, parameters[i], strict=True)))


def _heads_of_weights(params: Model, count: int) -> list[str]:
    names = {1: ["weight"], 3: ["red", "green", "blue"]}.get(params.channels or 1, [])
    if len(names) == count:
        return names
    terms = count // len(names) if len(names) == 3 else 0
    return [f"{name} {k}" for k in range(1, terms + 1) for name in names] or [f"w{k}" for k in range(1, count + 1)]


def notice_lost_frame(out: Path, metadata: Mapping[str, str]) -> None:
    """Says so if the model that was written to ``out`` was moved, and ``out`` is a compact file."""
    if out.suffix.lower() == COMPACT and frame.from_metadata(metadata) is not None:
        notice(f"{out} does not say where the picture of the moved model ends: it draws the formula everywhere")


def load_single(path: Path) -> tuple[Model, dict[str, str]]:
    """A model and its metadata. Raises ArgumentError for a batch."""
    params, metadata = models.load(path), models.load_metadata(path)
    if params.means.ndim > 2:
        raise ArgumentError(str(path), f"holds a batch {params.means.shape[:-2]} of models: save one of gmjax.unstack")
    return params, metadata


def fitted_picture(argument: str, path: Path, params: Model, metadata: dict[str, str]) -> Picture:
    """The picture in the file ``path`` that the model was fitted to. Raises ArgumentError if it is another one."""
    picture = read_picture(path, color=params.channels is not None)
    if picture.shape[0] * picture.shape[1] > MAX_FIGURE_PIXELS:
        raise ArgumentError(argument, f"{path} has more than the {MAX_FIGURE_PIXELS} pixels that a figure can show")
    require_fitted(argument, path, picture, metadata)
    return picture


def require_fitted(argument: str, path: Path, picture: Picture, metadata: dict[str, str]) -> None:
    """Raises ArgumentError if a model with this metadata was fitted to another picture, as far as the metadata says."""
    remedy = "give picture.png (or average_face.png) of its run folder"
    if {"height", "width"} <= metadata.keys() and picture.shape[:2] != models.fitted_shape(metadata):
        size, fitted = (f"{height} x {width}" for height, width in (picture.shape[:2], models.fitted_shape(metadata)))
        raise ArgumentError(argument, f"{path} has {size} pixels, and the model was fitted to {fitted}: {remedy}")
    if metadata.get(FINGERPRINT, fingerprint(picture)) != fingerprint(picture):
        raise ArgumentError(argument, f"{path} is not the picture that was fitted: {remedy}")


def load_model(path: Path, *, drawable: bool = True) -> tuple[Model, dict[str, str]]:
    if not drawable:
        return models.load(path), models.load_metadata(path)
    params, metadata = load_single(path)
    if params.channels not in (None, 1, 3):
        raise ArgumentError(str(path), f"has {params.channels} channels; a picture has 1 or 3")
    return params, metadata


def _write_render(path: Path, params: Model, shape: tuple[int, int], moved, outside: Outside) -> None:
    """``moved``: how, as ``frame.from_metadata`` returns it."""
    if moved is None or outside == "formula":
        drawn = np.asarray(render(params, shape))
    else:
        drawn = np.asarray(frame.render(params, shape, *moved, margin=frame.MARGIN if outside == "fade" else 0.0))
    write_picture(path, drawn[..., 0] if params.channels == 1 else drawn)
    say(f"{path}: {shape[0]} x {shape[1]} pixels")


def _printable(text: str) -> str:
    return text if text.isprintable() else repr(text)  # which cannot control the terminal
