"""``gmjax convert``: a model file as a compact file, in half precision, or back."""

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from tyro.conf import Positional, arg

from gmjax import compact, frame, saving
from gmjax.commands.models import fitted_picture, load_single
from gmjax.commands.options import Flag, option
from gmjax.commands.terminal import notice, progress
from gmjax.data import Picture
from gmjax.errors import ArgumentError
from gmjax.files import models
from gmjax.files.atomic import write_atomically
from gmjax.files.gmf import SUFFIX as COMPACT
from gmjax.gmface import GmFace, render
from gmjax.losses import psnr


@dataclasses.dataclass(kw_only=True)
class Convert:
    """Write a model in another kind of file: as a compact file (.gmf) of a few hundred bytes, or as a model file
    (.safetensors), also in half precision. All commands take both."""

    model: Annotated[Positional[Path], arg(metavar="MODEL", help="Model file of any kind.")]

    out: Annotated[Positional[Path], arg(metavar="OUT")]
    """File to write; its suffix (.gmf or .safetensors) is its kind."""

    bytes: Annotated[tuple[int, ...], option("N [N ...]", "all components are kept")] = ()
    """For .gmf: at most so many bytes; the components are chosen anew. Several numbers, ascending, make a file in
    layers: a page can draw it when the first N bytes have arrived."""

    psnr: Annotated[float | None, option("DB")] = None
    """For .gmf: the fewest bytes that reach this PSNR in decibels (30 is a good likeness)."""

    picture: Annotated[Path | None, option("FILE", "the drawing of the model")] = None
    """For .gmf: what the file should look like: picture.png of the model's run folder gives the best quality."""

    base: Flag = False
    """For .gmf: add to the published common face, which decoders know. For faces in the paper's crop and few bytes."""

    dtype: Annotated[Literal["float16", "float32", "float64"] | None, option("TYPE", "as in MODEL")] = None
    """For .safetensors: how numbers are stored. float16 halves the file and costs some hundredths of a decibel."""

    def run(self) -> int:
        if self.out.resolve() == self.model.resolve():
            raise ArgumentError("out", f"{self.out} is the model itself: give another file")
        params, metadata = load_single(self.model)
        if self.out.suffix.lower() == COMPACT:
            self._write_compact(params, metadata)
        else:
            self._write_model(params, metadata)
        return 0

    def _write_model(self, params: GmFace, metadata: dict[str, str]) -> None:
        for name in ("bytes", "psnr", "picture", "base"):
            if getattr(self, name):
                raise ArgumentError(name, f"is for compact files: give {self.out} the suffix {COMPACT}")
        saving.save(self.out, params, metadata, dtype=self.dtype)
        print(f"{self.out}: {self.out.stat().st_size} bytes")

    def _write_compact(self, params: GmFace, metadata: dict[str, str]) -> None:
        if self.dtype is not None:
            raise ArgumentError("dtype", f"is for .safetensors: a {COMPACT} file has steps of its own")
        if frame.from_metadata(metadata) is not None:
            notice(f"{self.model} was moved by gmjax transform: a {COMPACT} file draws the formula everywhere")
        shape = models.fitted_shape(metadata)
        drawn = np.asarray(render(params, shape))
        target = drawn if self.picture is None else fitted_picture("picture", self.picture, params, metadata)
        with progress("encoding", "part") as bar:
            encoded = compact.encode(
                np.clip(target, 0, 1),
                params,
                max_bytes=self.bytes or None,
                psnr=self.psnr,
                base=self.base,
                report=lambda: bool(bar.update()),
            )
        write_atomically(self.out, encoded.content)
        print(f"{self.out}: {len(encoded.content)} bytes, {encoded.model.num_components} components")
        print(f"PSNR to {self.picture or 'the drawing of the model'}: {encoded.psnr:.2f} dB{_before(drawn, target)}")


def _before(drawn: Picture, target: Picture) -> str:
    return "" if drawn is target else f"; the model itself has {float(psnr(drawn, target)):.2f} dB"
