"""``gmjax view``: models as one page to look into and to edit."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from gmjax import viewer
from gmjax.commands.models import load_model, require_fitted
from gmjax.commands.options import option
from gmjax.commands.outputs import require_writable
from gmjax.commands.printing import say
from gmjax.commands.run_files import MODEL, VIEW, as_text
from gmjax.data import Picture, read_picture
from gmjax.errors import ArgumentError
from gmjax.files import models
from gmjax.files.atomic import write_atomically
from gmjax.files.suffixes import require_suffix
from gmjax.gmface import Model, kind_of

_SUFFIX = re.compile(r"\.[A-Za-z0-9]{2,5}$")  # of a picture


@dataclasses.dataclass(kw_only=True)
class View:
    """Write a page to look into a formula and to edit it, in any browser and without a network. Several models: one
    after the other, and those with the same number of Gaussians as a morph; all gray or in colour, of one profile."""

    files: Annotated[Positional[tuple[Path, ...]], arg(metavar="MODEL [MODEL ...]", help_behavior_hint="(required)")]
    """Model files."""

    picture: Annotated[Path | None, option("FILE")] = None
    """The picture that the first model was fitted to, to show the difference: picture.png of the run folder."""

    out: Annotated[Path, option("FILE", VIEW)] = Path(VIEW)
    """Page to write (.html)."""

    def run(self) -> int:
        if not self.files:
            raise ArgumentError("MODEL", "is needed: give a model file, such as model.safetensors of a run folder")
        require_writable(self.out)
        require_suffix(self.out, (".html", ".htm"))
        loaded = [load_model(path) for path in self.files]
        picture = None
        if self.picture is not None:
            picture = read_picture(self.picture, color=loaded[0][0].channels == 3)
            require_fitted("picture", self.picture, picture, loaded[0][1])
        shape = models.fitted_shape(loaded[0][1]) if picture is None else picture.shape[:2]
        params, about = zip(*loaded, strict=True)
        self._require_one_kind(params)
        names = _names(self.files, about)
        _write(self.out, viewer.page(params, names=names, about=about, picture=picture, shape=shape))
        say(f"{self.out}: open it in a browser")
        return 0

    def _require_one_kind(self, params: Sequence[Model]) -> None:
        first, *others = (f"{kind_of(one)} with the pixel offset {one.offset:g}" for one in params)
        for path, other in zip(self.files[1:], others, strict=True):
            if other != first:
                remedy = "one page shows models that are all gray or all in colour, of one profile and on the same grid"
                raise ArgumentError(str(path), f"is {other}, and {self.files[0]} is {first}: {remedy}")


def write_view(folder: Path, params: Model, name: str, picture: Picture) -> None:
    """The page of a run: its model, beside the picture that it was fitted to."""
    about = models.load_metadata(folder / MODEL)
    _write(folder / VIEW, viewer.page(params, names=[name], about=[about], picture=picture))


def _names(files: Sequence[Path], about: Sequence[Mapping[str, str]]) -> list[str]:
    """What the models were made from, as their files say; the names of the files where that leaves two the same."""
    stems = [as_text(path.name).removesuffix(".safetensors") for path in files]
    sources = [_SUFFIX.sub("", metadata.get("source", "")) or stem for metadata, stem in zip(about, stems, strict=True)]
    return sources if len(set(sources)) == len(sources) else stems


def _write(path: Path, page: str) -> None:
    write_atomically(path, page.encode())
