"""A formula as one self-contained HTML page, to look into and to edit.

The page asks nothing from the network, and its content security policy allows only its own script and style. What a
model file says of itself is untrusted: it is data in the page, escaped here, and shown as text by the script.
"""

import base64
import hashlib
import html
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from numpy.typing import ArrayLike

from gmjax import frame
from gmjax._version import __version__
from gmjax.analysis import order_by_error
from gmjax.checks import what_is_wrong, what_is_wrong_with_atoms
from gmjax.errors import ArgumentError, ArgumentTypeError, missing_extra
from gmjax.files.models import header_of
from gmjax.gmface import Atoms, GmFace, Model, checked_shape, unstack
from gmjax.profiles import PROFILES
from gmjax.viewer import kinds
from gmjax.viewer.bundle import bundle, text_of

MAX_RANKED = 1000  # above, the order by error would take minutes
_MAX_TEXT = 300  # characters of each entry that a page shows of a model file


def page(
    models: Model | Sequence[Model],
    *,
    names: Sequence[str] | None = None,
    picture: ArrayLike | None = None,
    shape: Sequence[int] | None = None,
    about: Sequence[Mapping[str, str]] | None = None,
) -> str:
    """The page as HTML.

    ``models``: one model, a batch, or several models of the same kind, gray or with 1 or 3 channels, all ``GmFace`` or
    ``Atoms`` of one profile of ``PROFILES``; they may differ in their numbers of components. ``names``: one for each.
    ``picture``: (H, W) or (H, W, 3) in [0, 1], to compare with.
    ``shape``: (H, W), the picture's proportions; by default those of ``picture``, or 120 x 120.
    ``about``: for each model what ``load_metadata`` returned.

    Raises ArgumentError for models that are not valid or cannot be drawn together, and for a wrong picture or shape.
    """
    described = description(models, names=names, picture=picture, shape=shape, about=about)
    style, script = "body { margin: 0 }\n" + text_of("style.css"), bundle("page")
    policy = (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )
    title = f"{described['models'][0]['name']} - gmjax".encode("utf-8", "replace").decode()
    parts = {"policy": policy, "title": html.escape(title), "style": style, "script": script}
    parts["data"] = _json_in_html(described)
    # In one pass: what a model says cannot be a placeholder.
    first, *rest = text_of("page.html").split("{{")
    return first + "".join(parts[name] + after for name, after in (piece.split("}}", 1) for piece in rest))


def view(
    models: Model | Sequence[Model],
    *,
    names: Sequence[str] | None = None,
    picture: ArrayLike | None = None,
    shape: Sequence[int] | None = None,
):
    """The viewer as a widget of Jupyter and other notebooks (extra notebook). Arguments as in ``page``.

    ``gmjax.view(params)`` at the end of a cell shows it; ``.params`` of what it returns is the model as it was edited.
    """
    try:
        from gmjax.viewer.widget import Viewer
    except ImportError as error:
        raise missing_extra("notebook", "gmjax.view") from error
    return Viewer(_as_list(models)[0], **description(models, names=names, picture=picture, shape=shape))


def description(
    models: Model | Sequence[Model],
    *,
    names: Sequence[str] | None = None,
    picture: ArrayLike | None = None,
    shape: Sequence[int] | None = None,
    about: Sequence[Mapping[str, str]] | None = None,
) -> dict[str, Any]:
    """``models`` and ``options`` of ``createViewer`` (js/app.js) as JSON has them. Arguments as in ``page``."""
    models = _as_list(models)
    names = [f"model {number}" for number in range(1, len(models) + 1)] if names is None else list(names)
    about = [{}] * len(models) if about is None else list(about)
    for argument, values in (("names", names), ("about", about)):
        if len(values) != len(models):
            raise ArgumentError(argument, f"must have one entry for each of {len(models)} models; got {len(values)}")
    encoded = None if picture is None else _checked_picture(picture)
    size = checked_shape(shape if shape is not None else (120, 120) if encoded is None else encoded.shape[:2])
    described = [_described(*each, size) for each in zip(models, names, about, strict=True)]
    drawn = None if encoded is None else _png(encoded)
    options = {"shape": size, "header": header_of(models[0]), "version": __version__, "picture": drawn}
    return {"models": described, "options": options}


def _as_list(models: Model | Sequence[Model]) -> list[Model]:
    given: list[Any] = list(models) if isinstance(models, Sequence) else [models]
    if not given:
        raise ArgumentError("models", "is empty: give at least one model")
    for model in given:
        if not isinstance(model, Model):
            raise ArgumentTypeError("models", f"must be GmFace or Atoms models, not {type(model).__name__}")
        arrays = jax.tree.map(np.asarray, model)
        if isinstance(model, GmFace):
            wrong = what_is_wrong(arrays.weights, arrays.means, arrays.precision_chol)
        elif PROFILES.get(model.profile.name) == model.profile:
            wrong = what_is_wrong_with_atoms(arrays)
        else:
            problem = f"have the profile {model.profile.name}, a function of your own, which a page cannot draw"
            raise ArgumentError("models", f"{problem}; it can draw {', '.join(PROFILES)}")
        if wrong:
            raise ArgumentError("models", f"holds one that is not valid: {wrong}")
    found = [single for model in given for single in (_flat(model) if model.means.ndim > 2 else [model])]
    if len({(kinds.name_of(model), model.channels, model.offset) for model in found}) > 1:
        raise ArgumentError("models", "must be all gray or all in colour, of one profile and on the same grid (offset)")
    if found[0].channels not in (None, 1, 3):
        raise ArgumentError("models", f"have {found[0].channels} channels; a picture has 1 or 3")
    return found


def _flat(batch: Model) -> list[Model]:
    return [single for model in unstack(batch) for single in (_flat(model) if model.means.ndim > 2 else [model])]


def _described(model: Model, name: str, about: Mapping[str, str], shape: tuple[int, int]) -> dict[str, Any]:
    moved = frame.from_metadata(about)
    return {
        "name": _short(name),
        "profile": kinds.name_of(model),
        "channels": model.channels or 0,
        "offset": float(model.offset),
        "weights": _base64(model.weights),
        "means": _base64(model.means),
        "precision_chol": _base64(model.precision_chol),
        "parameters": _base64(model.parameters if isinstance(model, Atoms) else []),
        "order_by_error": _ranking(model, shape),
        "frame": None if moved is None else {"matrix": moved[0].tolist(), "offset": moved[1].tolist()},
        "about": [[_short(key), _short(text)] for key, text in sorted(about.items()) if key not in header_of(model)],
    }


def _ranking(model: Model, shape: tuple[int, int]) -> list[int] | None:
    """The order by error, on at most 120 x 120 pixels; None for ``Atoms``, and if the model is too large, or falls
    between the pixels."""
    if isinstance(model, Atoms) or model.num_components > MAX_RANKED:
        return None
    scale = min(1.0, 120 / max(shape))
    height, width = (max(1, round(scale * side)) for side in shape)
    try:
        return order_by_error(model, (height, width)).tolist()
    except np.linalg.LinAlgError:
        return None


def _short(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else text[: _MAX_TEXT - 1] + "…"


def _base64(numbers: ArrayLike) -> str:
    return base64.b64encode(np.ascontiguousarray(numbers, "<f4").tobytes()).decode()


def _checked_picture(picture: ArrayLike) -> np.ndarray:
    pixels = np.asarray(picture)
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] not in (1, 3)) or pixels.size == 0:
        raise ArgumentError("picture", f"must have the shape (H, W) or (H, W, 3); got {pixels.shape}")
    if pixels.dtype.kind != "f" or not np.isfinite(pixels).all():
        raise ArgumentError("picture", f"must hold finite floats in [0, 1]; got {pixels.dtype}")
    return np.round(np.clip(pixels, 0, 1) * 255).astype(np.uint8)


def _png(pixels: np.ndarray) -> str:
    from PIL import Image

    content = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels).save(content, "PNG")
    return f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _json_in_html(content: dict[str, Any]) -> str:
    """JSON that cannot end the script element which holds it; lone surrogates are escaped by json."""
    return (
        json.dumps(content, separators=(",", ":"))
        .replace("<", "\\u003c")
        .replace(">", "\\u003e")
        .replace("&", "\\u0026")
    )
