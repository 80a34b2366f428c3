"""Model files: a model, or a batch of models, and what is known about it in one safetensors file.

The file holds the three tensors of a ``GmFace``, or the four of ``Atoms``, and a header of text, which gives the
format, its version and the conventions in words, so that the numbers can be used without this library. A single model
may also be a ``.json`` or ``.csv`` file of ``gmjax.export``, or a compact file (``gmf.py``). Nothing in a file is
executed, and whatever it holds, loading it takes at most 1 GiB of memory (0.8 GiB measured, for ``MAX_BYTES``).
"""

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import safetensors
import safetensors.numpy

from gmjax.checks import what_is_wrong, what_is_wrong_with_atoms
from gmjax.errors import ArgumentError, GmjaxError, in_one_line
from gmjax.files import gmf
from gmjax.files.atomic import write_atomically
from gmjax.files.text import MAX_COMPONENTS, MAX_TEXT_BYTES, from_csv, from_json
from gmjax.gmface import Atoms, GmFace, Model, with_positive_diagonal
from gmjax.profiles import PROFILES, Profile

FORMAT, ATOMS_FORMAT = "gmjax.GmFace", "gmjax.Atoms"
FORMAT_VERSION = 1
MAX_BYTES = 2**28
MAX_HEADER_BYTES = 2**20  # reading a larger one would take many times its size
MAX_CHANNELS = 1000
# The limits of a picture size that a header may give; gmjax.data reads as many pixels.
MAX_PIXELS, MAX_SIDE = 80_000_000, gmf.MAX_SIDE

TENSORS = ("weights", "means", "precision_chol")
CONVENTIONS = {
    "formula": "f(x) = sum_i weights[i] exp(-(x - means[i])^T A_i (x - means[i])), no factor 1/2 in the exponent",
    "positions": "x = (row / H, column / W), row first; rows and columns of pixels are counted from the offset",
    "precision_chol": "(l11, l21, l22) with A = L L^T, L = [[l11, 0], [l21, l22]], l11 > 0, l22 > 0",
    "weights": "(m,) for a gray picture, (m, C) for one with C channels; intensities 0 to 1",
    "batch": "many models have the same leading axes in front of each tensor's own",
}
HEADER = {"format": FORMAT, "format_version": str(FORMAT_VERSION), **CONVENTIONS}
# What is different in a model of another profile than the Gaussian.
ATOMS_TENSORS = (*TENSORS, "parameters")
ATOMS_HEADER = {
    **HEADER,
    "format": ATOMS_FORMAT,
    "formula": "f(x) = sum_i sum_k weights[i, k] psi_k(u, v; parameters[i]), (u, v) = L_i^T (x - means[i])",
    "weights": "(m, K) for a gray picture, (m, K, C) for one with C channels, K terms psi; intensities 0 to 1",
    "profile_parameters": "parameters is (m, P): further numbers of each component",
}

_MAX_OFFSET = 1_000_000  # beyond it float32 could not tell pixels apart
_DTYPES = {"F16": np.float32, "F32": np.float32, "F64": np.float64}
_PARSERS = {".json": from_json, ".csv": from_csv}
TEXT_SUFFIXES = frozenset(_PARSERS)


class ModelFileError(GmjaxError, ValueError):
    """A model file that cannot be read or written."""


def header_of(params: Model) -> dict[str, str]:
    """The format's own text in the file of a model, all but the offset."""
    return HEADER if isinstance(params, GmFace) else {**ATOMS_HEADER, "profile": params.profile.name}


def save(
    path: str | os.PathLike,
    params: Model,
    metadata: Mapping[str, str] | None = None,
    *,
    dtype: Literal["float16", "float32", "float64"] | None = None,
) -> None:
    """Writes a safetensors file, whatever its name. Arguments and errors as in ``gmjax.save``."""
    path = Path(path)
    chol = np.asarray(params.precision_chol)
    profile = params.profile if isinstance(params, Atoms) else None
    if profile is not None and PROFILES.get(profile.name) != profile:
        problem = f"has the profile {profile.name}, a function of your own, which a file cannot hold"
        raise ArgumentError("params", f"{problem}; it can hold {', '.join(PROFILES)}")
    if isinstance(params, GmFace) and chol.ndim > 1 and chol.shape[-1] == 3 and (chol[..., ::2] < 0).any():
        params = with_positive_diagonal(params)  # on a device, which may flush subnormal numbers to 0
    tensors = {name: np.ascontiguousarray(getattr(params, name)) for name in _names(profile)}
    conventions = header_of(params)
    _require_text(metadata or {}, conventions)
    header = {**(metadata or {}), "offset": str(float(params.offset)), **conventions}
    wrong = _what_is_wrong(profile, tensors) or _too_many(tensors) or _wrong_offset(header)
    if not wrong and dtype is not None:
        with np.errstate(over="ignore", under="ignore"):
            tensors = {name: tensor.astype(dtype) for name, tensor in tensors.items()}
        wrong = _what_is_wrong(profile, {name: tensor.astype(np.float64) for name, tensor in tensors.items()})
        wrong = wrong and f"{wrong} in {dtype}"
    if not wrong:
        content = _in_order(safetensors.numpy.save(tensors, metadata=header))
        wrong = _too_large(len(content), content)
    if wrong:
        raise ArgumentError("params", f"cannot be saved to {path}: {wrong}")
    write(path, content)


def write(path: Path, content: bytes) -> None:
    """Writes a model file. Raises ModelFileError if it cannot be written there."""
    try:
        write_atomically(path, content)
    except OSError as error:
        raise ModelFileError(f"{in_one_line(error)}; choose a folder that exists and that you may write to") from error


def load(path: str | os.PathLike) -> Any:
    """The model in a file, or the batch of models; float64 only if the caller has enabled it in JAX.

    Raises ModelFileError if there is no such file, or it is not a model file, damaged, of a newer format, above 256 MiB
    or its header above 1 MiB, or its model is not valid or above 100 000 components or 1000 channels. A file whose name
    ends in .json or .csv is read as text that ``gmjax.export`` wrote, of at most 32 MiB. A file that begins with the
    magic number of compact files is read as one, whatever its name, of at most 1 MiB.
    """
    return _read(Path(path))[0]


def load_metadata(path: str | os.PathLike) -> dict[str, str]:
    """The text in the header of a model file, the format's own and the caller's; checked as ``load`` checks it."""
    return _read(Path(path))[1]


def _read(path: Path) -> tuple[Any, dict[str, str]]:
    try:
        _require_readable(path)
        with open(path, "rb") as stream:
            if stream.read(len(gmf.MAGIC)) == gmf.MAGIC:
                return _compact(path, gmf.MAGIC + stream.read(gmf.MAX_BYTES))
        if path.suffix.lower() == gmf.SUFFIX:
            problem = f"is no {gmf.SUFFIX} file: it does not begin with its magic number"
            raise ModelFileError(f"{path} {problem}; make it again, or copy it from its source")
        if path.suffix.lower() in _PARSERS:
            return parsed(_text(path), path.suffix.lower(), str(path))
        with safetensors.safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            _require_format(path, metadata, file.keys())
            tensors = {name: _tensor(path, file, name) for name in sorted(file.keys())}
    except (OSError, safetensors.SafetensorError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else shown(str(error))
        problem = f"{path} cannot be read as a model file ({reason}): it is damaged or of another kind"
        raise ModelFileError(f"{problem}; give a file that gmjax.save wrote") from error
    return _checked(str(path), tensors, metadata), metadata


def fitted_shape(metadata: Mapping[str, str]) -> tuple[int, int]:
    """(H, W) of the picture that a model was fitted to; 120 x 120 where its file does not say."""
    sides = [metadata.get(name, "") for name in ("height", "width")]
    if all(side.isascii() and side.isdecimal() and len(side) < 9 for side in sides):
        height, width = map(int, sides)
        if 0 < height * width <= MAX_PIXELS and max(height, width) <= MAX_SIDE:
            return height, width
    return 120, 120


def parsed(content: str, suffix: str, name: str) -> tuple[Any, dict[str, str]]:
    """The model and the header in text that ``gmjax.export`` wrote for files of that ``suffix``, ".json" or ".csv".

    ``name``: what errors call it. Raises ModelFileError.
    """
    try:
        tensors, metadata = _PARSERS[suffix](content)
    except ValueError as error:
        problem = f"{name} cannot be read as a model in {suffix[1:].upper()}: {error}"
        raise ModelFileError(f"{problem}; give what gmjax export wrote") from error
    if suffix == ".json":
        _require_format(name, metadata, tensors)
    elif "profile" in metadata:
        metadata["format"] = ATOMS_FORMAT
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        tensors = {key: array.astype(jax.dtypes.canonicalize_dtype(array.dtype)) for key, array in tensors.items()}
    params = _checked(name, tensors, metadata)
    if params.means.ndim > 2:
        raise ModelFileError(f"{name} holds a batch of models, and {suffix[1:].upper()} holds one; use .safetensors")
    return params, {**metadata, **header_of(params)}


def _compact(path: Path, content: bytes) -> tuple[GmFace, dict[str, str]]:
    """The model of a compact file, and its picture size and offset as a header has them."""
    try:
        compact = gmf.decode(content)
        params = gmf.to_model(compact)
    except gmf.CompactFileError as error:
        raise ModelFileError(f"{path} cannot be read: it {error}; make it again, or copy it from its source") from error
    height, width = map(str, compact.shape)
    metadata = {"offset": str(compact.offset), "height": height, "width": width}
    tensors = {name: np.asarray(getattr(params, name)) for name in TENSORS}
    return _checked(str(path), tensors, metadata), {**metadata, **HEADER}


def _checked(name: str, tensors: dict[str, np.ndarray], metadata: Mapping[str, str]) -> Any:
    profile = None
    if metadata.get("format") == ATOMS_FORMAT:
        profile = PROFILES.get(metadata.get("profile", ""))
        if profile is None:
            found = shown(metadata.get("profile", ""))
            raise ModelFileError(f"{name} has the profile {found}, which this gmjax does not know; upgrade gmjax")
    wrong = _what_is_wrong(profile, tensors) or _too_many(tensors) or _wrong_offset(metadata)
    if wrong:
        raise ModelFileError(f"{name} does not hold a valid model: {wrong}; make it again, or copy it from its source")
    arrays, offset = jax.tree.map(jnp.asarray, tensors), float(metadata["offset"])
    return GmFace(**arrays, offset=offset) if profile is None else Atoms(**arrays, profile=profile, offset=offset)


def _names(profile: Profile | None) -> tuple[str, ...]:
    return TENSORS if profile is None else ATOMS_TENSORS


def _what_is_wrong(profile: Profile | None, tensors: Mapping[str, np.ndarray]) -> str | None:
    if profile is None:
        return what_is_wrong(**tensors)
    return what_is_wrong_with_atoms(Atoms(profile=profile, **dict[str, Any](tensors)))


def _text(path: Path) -> str:
    """A spreadsheet may write a byte order mark."""
    if path.stat().st_size > MAX_TEXT_BYTES:
        raise ModelFileError(f"{path} is larger than 32 MiB; larger models are read from .safetensors only")
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ModelFileError(f"{path} is not text in UTF-8; save it as UTF-8, or export it again") from error


def _require_readable(path: Path) -> None:
    if path.is_dir():
        raise ModelFileError(f"{path} is a folder, not a model file; give the file in it, such as model.safetensors")
    if not path.exists():
        raise ModelFileError(f"{path}: no such file; check the name")
    if not path.is_file():
        raise ModelFileError(f"{path} is not a plain file; give a file that gmjax.save wrote")
    size = path.stat().st_size
    if size == 0:
        raise ModelFileError(f"{path} is empty (0 bytes); copy it again from its source")
    with open(path, "rb") as stream:
        too_large = _too_large(size, stream.read(8))
    if too_large:
        raise ModelFileError(f"{path}: {too_large}; is it a model?")


def _too_large(size: int, start: bytes) -> str | None:
    """What a file of ``size`` bytes, of which ``start`` is the start, has too much of; safetensors checks the rest."""
    header = int.from_bytes(start[:8], "little")
    if size > MAX_BYTES:
        return f"the file has {size} bytes, more than 256 MiB"
    return f"its header has {header} bytes, more than 1 MiB" if MAX_HEADER_BYTES < header <= size - 8 else None


def _require_format(path: Path | str, metadata: Mapping[str, str], names) -> None:
    if metadata.get("format") not in (FORMAT, ATOMS_FORMAT):
        raise ModelFileError(f"{path} is a file of another kind; give one that gmjax.save or gmjax export wrote")
    version = metadata.get("format_version", "")
    if not (version.isascii() and version.isdecimal() and int(version[:9]) > 0):
        raise ModelFileError(f"{path} is damaged: its format version is {shown(version)}, not a number")
    if int(version[:9]) > FORMAT_VERSION:
        known = f"this gmjax reads up to {FORMAT_VERSION}"
        raise ModelFileError(f"{path} has format version {version[:9]}, and {known}; upgrade gmjax")
    expected = TENSORS if metadata["format"] == FORMAT else ATOMS_TENSORS
    if set(names) != set(expected):
        found = ", ".join(map(shown, sorted(names)[:9])) or "(none)"
        raise ModelFileError(f"{path} holds the tensors {found}; a model file holds exactly {', '.join(expected)}")


def _tensor(path: Path, file, name: str) -> np.ndarray:
    dtype = file.get_slice(name).get_dtype()
    if dtype not in _DTYPES:
        raise ModelFileError(
            f"{path}: {name} has numbers of the type {dtype}; a model file holds float16, float32 or float64"
        )
    # JAX would round to float32 as well, but NumPy's warning about a number too large, or a NaN, would get out.
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        return file.get_tensor(name).astype(jax.dtypes.canonicalize_dtype(_DTYPES[dtype]))


def _too_many(tensors: Mapping[str, np.ndarray]) -> str | None:
    *batch, components, _ = tensors["means"].shape
    channels = tensors["weights"].size // (math.prod(batch) * components)
    if components > MAX_COMPONENTS or channels > MAX_CHANNELS:
        most = f"at most {MAX_COMPONENTS} of {MAX_CHANNELS}"
        return f"it has {components} components of {channels} channels, and a model file holds {most}"
    return None


def _wrong_offset(metadata: Mapping[str, str]) -> str | None:
    try:
        offset = float(metadata["offset"])
    except (KeyError, ValueError):
        offset = math.nan
    if abs(offset) <= _MAX_OFFSET:  # not so if it is NaN
        return None
    return f"its offset is {shown(metadata.get('offset', ''))}, not a number of at most {_MAX_OFFSET} pixels"


def shown(text: str) -> str:
    """Text from a file, which must not fill the terminal or steer it."""
    return text if text.isprintable() and 0 < len(text) <= 100 else repr(text[:100])


def _require_text(metadata: Mapping[str, str], conventions: Mapping[str, str]) -> None:
    for name, text in metadata.items():
        if not (isinstance(name, str) and isinstance(text, str)):
            raise ArgumentError("metadata", f"must be text by name; got {name!r}: {text!r}")
        if conventions.get(name, text) != text:
            raise ArgumentError("metadata", f"must not use the name {name!r}, which belongs to the format")


def _in_order(content: bytes) -> bytes:
    """The header's text in sorted order, where safetensors writes a random one: equal models make equal files."""
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(content[8:end]), sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + content[end:]
