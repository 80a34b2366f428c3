"""Commands on model files: ``gmjax render``, ``transform``, ``plot`` and ``info``."""

import dataclasses
import math
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from tyro.conf import Positional, arg

from gmjax import transforms
from gmjax.commands.shared import UsageError, refusals
from gmjax.data import MAX_PIXELS, read_picture, write_picture
from gmjax.files import models
from gmjax.gmface import GmFace, precision, render

DEFAULT_SIZE = 120
# As of a JPEG. Pictures of a few rows and very many columns would be summed in parts that are much larger than they.
MAX_SIDE = 65_535
# Of a figure: it shows no more of them, and takes some 60 bytes for each.
MAX_FIGURE_PIXELS = 2**24


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
        params, metadata = models.load(self.model), models.load_metadata(self.model)
        _require_drawable(self.model, params)
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
        if height * width > MAX_PIXELS or max(height, width) > MAX_SIDE:
            raise UsageError(
                f"{height} x {width} are more than the {MAX_PIXELS} pixels that a picture may have, or than {MAX_SIDE} "
                "a side"
            )
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
        params, metadata = models.load(self.model), models.load_metadata(self.model)
        if self.picture is not None:
            _require_drawable(self.model, params)
        shape = _fitted_shape(metadata)
        aspect = shape[1] / shape[0] if self.aspect is None else self.aspect
        if not all(map(math.isfinite, (self.scale, self.rotate, aspect, *self.translate, *self.center))):
            raise UsageError("--scale, --rotate, --translate, --center and --aspect must be finite numbers")
        with refusals():
            params = transforms.scale(params, self.scale, self.center)
            params = transforms.rotate(params, math.radians(self.rotate), self.center, aspect)
            params = transforms.translate(params, self.translate)
            models.save(self.out, params, metadata)
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
        params, metadata = models.load(self.model), models.load_metadata(self.model)
        _require_drawable(self.model, params, (None, 3) if self.image else (None, 1, 3))
        shape, offset = _for_a_figure(_fitted_shape(metadata)), float(metadata["offset"])
        if self.image is not None:
            image = read_picture(self.image, color=params.channels is not None)
            if image.shape[0] * image.shape[1] > MAX_FIGURE_PIXELS:
                raise UsageError(f"{self.image} has more than the {MAX_FIGURE_PIXELS} pixels that a figure can show")
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
        params, metadata = models.load(self.model), models.load_metadata(self.model)
        kind = "gray" if params.channels is None else f"{params.channels} channels"
        print(f"{self.model}: {params.num_components} components, {kind}, {params.num_parameters} parameters")
        for name, text in sorted(metadata.items(), key=lambda item: (item[0] not in models.HEADER, item[0])):
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


def _fitted_shape(metadata: dict[str, str]) -> tuple[int, int]:
    """(H, W) of the picture that a model was fitted to; 120 x 120 where its file does not say."""
    sides = [metadata.get(name, "") for name in ("height", "width")]
    if all(side.isascii() and side.isdecimal() and len(side) < 9 for side in sides):
        height, width = map(int, sides)
        if 0 < height * width <= MAX_PIXELS and max(height, width) <= MAX_SIDE:
            return height, width
    return DEFAULT_SIZE, DEFAULT_SIZE


def _for_a_figure(shape: tuple[int, int]) -> tuple[int, int]:
    scale = min(1.0, math.sqrt(MAX_FIGURE_PIXELS / (shape[0] * shape[1])))
    height, width = (max(1, int(scale * side)) for side in shape)
    return height, width


def _require_drawable(path: Path, params: GmFace, channels=(None, 1, 3)) -> None:
    if params.channels not in channels:
        raise UsageError(f"{path} has {params.channels} channels, and a picture 1 or 3")


def _write_render(path: Path, params: GmFace, shape: tuple[int, int], metadata: dict[str, str]) -> None:
    drawn = np.asarray(render(params, shape, offset=float(metadata["offset"])))
    write_picture(path, drawn[..., 0] if params.channels == 1 else drawn)


def _printable(text: str) -> str:
    """Text from a file, which must not steer the terminal."""
    return text if text.isprintable() else repr(text)
