"""``gmjax view``: models as one page to look into and to edit."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from gmjax import viewer
from gmjax.commands.models import load_model
from gmjax.commands.options import option
from gmjax.commands.run_files import as_text, fitted_shape
from gmjax.data import read_picture
from gmjax.errors import ArgumentError
from gmjax.files.atomic import write_atomically
from gmjax.gmface import GmFace


@dataclasses.dataclass(kw_only=True)
class View:
    """Write a page to look into a formula and to edit it, in any browser and without a network. Several models: one
    after the other, and models with the same number of components as a morph."""

    files: Annotated[Positional[tuple[Path, ...]], arg(metavar="MODEL [MODEL ...]", help_behavior_hint="(required)")]
    """Model files."""

    picture: Annotated[Path | None, option("FILE")] = None
    """The picture that was fitted, to show the difference: picture.png of the run folder."""

    out: Annotated[Path, option("FILE", "view.html")] = Path("view.html")
    """Page to write."""

    def run(self) -> int:
        if not self.files:
            raise ArgumentError("MODEL", "is needed: give a model file, such as model.safetensors of a run folder")
        loaded = [load_model(path) for path in self.files]
        names = [as_text(path.name).removesuffix(".safetensors") for path in self.files]
        picture = None
        if self.picture is not None:
            picture = read_picture(self.picture, color=loaded[0][0].channels == 3)
        shape = fitted_shape(loaded[0][1]) if picture is None else picture.shape[:2]
        write_page(self.out, [params for params, _ in loaded], names, [about for _, about in loaded], picture, shape)
        print(f"{self.out}: open it in a browser")
        return 0


def write_page(path: Path, models: Sequence[GmFace], names, about, picture, shape: tuple[int, int]) -> None:
    """``gmjax.viewer.page`` with these arguments, as a file."""
    page = viewer.page(models, names=names, about=about, picture=picture, shape=shape)
    write_atomically(path, page.encode("utf-8", "backslashreplace"))
