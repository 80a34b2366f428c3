"""``gmjax convert``: a model file as a compact file, in half precision, or back."""

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from tyro.conf import Positional, arg

from gmjax import compact, saving
from gmjax.commands.models import fitted_picture, load_single, notice_lost_frame
from gmjax.commands.options import Flag, one_of, option
from gmjax.commands.outputs import require_writable
from gmjax.commands.printing import say
from gmjax.commands.terminal import notice, progress_of_long_parts
from gmjax.data import Picture
from gmjax.errors import ArgumentError
from gmjax.files import models
from gmjax.files.gmf import SUFFIX as COMPACT
from gmjax.gmface import GmFace, render, require_gaussians
from gmjax.losses import psnr

DtypeName = Literal["float16", "float32", "float64"]

# Roughly, on two CPU cores: what one fit takes, and for each of its squared components times pixels.
_SECONDS, _SECONDS_PER_TERM = 20, 6e-8
_COMPONENTS_PER_BYTE, _MOST_COMPONENTS = 0.3, 1000
_TRIALS = 3  # fits of a search for a PSNR


@dataclasses.dataclass(kw_only=True)
class Convert:
    """Write a model as a compact file (.gmf) of a few hundred bytes, or as a model file (.safetensors).

    All commands take both. --bytes and --psnr fit the components again: a face in 300 bytes takes half a minute on two
    CPU cores, a colour picture of 256 x 256 some minutes; --psnr takes several times as long.
    """

    model: Annotated[Positional[Path], arg(metavar="MODEL", help="Model file of any kind.")]

    out: Annotated[Positional[Path], arg(metavar="OUT")]
    """File to write; its suffix (.gmf or .safetensors) is its kind."""

    bytes: Annotated[tuple[int, ...], option("N [N ...]", "all components are kept")] = ()
    """For .gmf: at most so many bytes, from 24; the components are chosen anew. Several numbers, ascending, make a file
    in layers: a page can draw it when the first N bytes have arrived."""

    psnr: Annotated[float | None, option("DB")] = None
    """For .gmf: the fewest bytes that reach this PSNR in decibels (30 is a good likeness)."""

    picture: Annotated[Path | None, option("FILE", "the drawing of the model")] = None
    """For .gmf: what the file should look like: picture.png of the model's run folder gives the best quality."""

    base: Flag = False
    """For .gmf: add to the published common face, which decoders know. For faces in the paper's crop and few bytes."""

    dtype: Annotated[DtypeName | None, one_of(DtypeName), option("TYPE", "as in MODEL")] = None
    """For .safetensors: how numbers are stored, as float16, float32 or float64. float16 halves the file and costs some
    hundredths of a decibel."""

    def run(self) -> int:
        require_writable(self.out, model=self.model)
        saving.require_model_suffix(self.out)
        is_compact = self.out.suffix.lower() == COMPACT
        for name in ("dtype",) if is_compact else ("bytes", "psnr", "picture", "base"):
            if getattr(self, name) != getattr(Convert, name):
                other = ".safetensors" if is_compact else COMPACT
                raise ArgumentError(name, f"is for {other} files: give {self.out} the suffix {other}, or leave it out")
        with self._options_named():
            compact.require_possible_size(self.bytes or None, self.psnr)
        params, metadata = load_single(self.model)
        if is_compact:
            self._write_compact(require_gaussians(params, str(self.model)), metadata)
        else:
            saving.save(self.out, params, metadata, dtype=self.dtype)
            say(f"{self.out}: {self.out.stat().st_size} bytes")
        return 0

    def _write_compact(self, params: GmFace, metadata: dict[str, str]) -> None:
        notice_lost_frame(self.out, metadata)
        shape = models.fitted_shape(metadata)
        drawn = np.asarray(render(params, shape))
        target = drawn if self.picture is None else fitted_picture("picture", self.picture, params, metadata)
        with progress_of_long_parts(f"encoding{self._duration(params, target)}", "part") as bar, self._options_named():
            encoded = compact.encode(
                np.clip(target, 0, 1),
                params,
                max_bytes=self.bytes or None,
                psnr=self.psnr,
                base=self.base,
                report=lambda: bool(bar.update()),
            )
        models.write(self.out, encoded.content)
        say(f"{self.out}: {len(encoded.content)} bytes, {encoded.model.num_components} components")
        if before_last := encoded.ends[:-1]:
            say(f"The first {', '.join(map(str, before_last))} bytes are files too")
        say(f"PSNR to {self.picture or 'the drawing of the model'}: {encoded.psnr:.2f} dB{_before(drawn, target)}")

    @contextlib.contextmanager
    def _options_named(self) -> Iterator[None]:
        """Errors of the encoder name the options and files of the command."""
        try:
            yield
        except ArgumentError as error:
            names = {"max_bytes": "bytes", "picture": str(self.picture or self.model)}
            names |= {"init": str(self.model), "offset": f"the offset of {self.model}"}
            problem = error.problem.replace("max_bytes", "--bytes").replace("psnr", "--psnr")
            raise ArgumentError(names.get(error.argument, error.argument), problem) from error

    def _duration(self, params: GmFace, picture: Picture) -> str:
        """Roughly how long the encoding takes, for the progress bar; says so too if that is long."""
        sizes = np.diff((0, *self.bytes))
        fits = _COMPONENTS_PER_BYTE * sizes if self.psnr is None else np.array([params.num_components] * _TRIALS)
        pixels = picture.shape[0] * picture.shape[1]
        seconds = float(np.sum(_SECONDS + _SECONDS_PER_TERM * np.minimum(fits, _MOST_COMPONENTS) ** 2 * pixels))
        if not seconds:
            return ""
        about = f"about {seconds / 60:.0f} minutes" if seconds >= 90 else f"about {round(seconds, -1):.0f} s"
        if seconds >= 90:
            notice(f"the encoding takes {about} on two CPU cores; fewer bytes or a lower PSNR take less")
        return f", {about}"


def _before(drawn: Picture, target: Picture) -> str:
    return "" if drawn is target else f"; the model itself has {float(psnr(drawn, target)):.2f} dB"
