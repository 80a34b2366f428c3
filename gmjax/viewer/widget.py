"""The viewer as a notebook widget."""

import base64

import anywidget
import jax.numpy as jnp
import numpy as np
import traitlets

from gmjax.gmface import GmFace
from gmjax.viewer.bundle import bundle, text_of


class Viewer(anywidget.AnyWidget):
    """Shows models and lets one edit them. ``params``: the model on show, as it was edited."""

    _esm = bundle("widget") + "export default { render };\n"
    _css = text_of("style.css")
    models: traitlets.List = traitlets.List().tag(sync=True)
    options: traitlets.Dict = traitlets.Dict().tag(sync=True)
    edited: traitlets.Dict = traitlets.Dict().tag(sync=True)

    def __init__(self, start: GmFace, **traits) -> None:
        super().__init__(**traits)
        self._start = start

    @property
    def params(self) -> GmFace:
        if not self.edited:
            return self._start
        numbers = {name: np.frombuffer(base64.b64decode(text), "<f8") for name, text in self.edited.items()}
        m, dtype = len(numbers["means"]) // 2, self._start.means.dtype
        weights = numbers["weights"] if self._start.channels is None else numbers["weights"].reshape(m, -1)
        means, chol = numbers["means"].reshape(m, 2), numbers["precision_chol"].reshape(m, 3)
        start = self._start
        return GmFace(jnp.asarray(weights, dtype), jnp.asarray(means, dtype), jnp.asarray(chol, dtype), start.offset)
