"""The viewer as a notebook widget."""

import base64
import dataclasses
from typing import Any

import anywidget
import jax.numpy as jnp
import numpy as np
import traitlets

from gmjax.files.models import ATOMS_TENSORS, TENSORS
from gmjax.gmface import GmFace, Model
from gmjax.viewer.bundle import bundle, text_of


class Viewer(anywidget.AnyWidget):
    """Shows models and lets one edit them. ``params``: the model on show, as it was edited."""

    _esm = bundle("widget") + "export default { render };\n"
    _css = text_of("style.css")
    models: traitlets.List = traitlets.List().tag(sync=True)
    options: traitlets.Dict = traitlets.Dict().tag(sync=True)
    edited: traitlets.Dict = traitlets.Dict().tag(sync=True)

    def __init__(self, start: Model, **traits) -> None:
        super().__init__(**traits)
        self._start = start

    @property
    def params(self) -> Model:
        start = self._start
        if not self.edited:
            return start
        names = TENSORS if isinstance(start, GmFace) else ATOMS_TENSORS
        numbers = {name: np.frombuffer(base64.b64decode(self.edited[name]), "<f8") for name in names}
        m, dtype = len(numbers["means"]) // 2, start.means.dtype
        shapes = {name: (m, *np.shape(getattr(start, name))[1:]) for name in names}
        tensors = {name: jnp.asarray(numbers[name].reshape(shapes[name]), dtype) for name in names}
        return dataclasses.replace(start, **dict[str, Any](tensors))
