"""A single model as JSON and as CSV, which read back without loss: numbers are the shortest decimals that do.

JSON holds everything that a model file holds. CSV has one row per component and only numbers below its head: the model,
and in columns of equal numbers the offset of its pixel grid, the bits of its numbers (32 or 64) and, where known, the
height and width of the picture that it was fitted to. ``Atoms`` have the name of their profile in one column more.
"""

import csv
import io
import itertools
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gmjax.files.decimals import shortest
from gmjax.files.tables import table

Tensors = dict[str, np.ndarray]

MAX_TEXT_BYTES = 2**25  # reading a larger one could take more than 1 GiB
MAX_COMPONENTS = 100_000  # so many are drawn in some seconds at 1000 x 1000, in 0.7 GiB of memory

_TENSORS = ("weights", "means", "precision_chol")
_WEIGHT = re.compile(r"(term_\d+_)?weight(_\d+)?")
_SHAPE_COLUMNS = ("row", "column", "l11", "l21", "l22")
_SIZE_COLUMNS = ("height", "width")
_DTYPES = {"float32": np.float32, "float64": np.float64}


def to_json(
    tensors: Mapping[str, np.ndarray],
    offset: float,
    notes: Mapping[str, str],
    conventions: Mapping[str, str],
    metadata: Mapping[str, str],
) -> str:
    """``notes``: text of the format, on the top level; ``conventions``: what the numbers mean; ``metadata``: the
    caller's own text."""
    lines = [f"{_quoted(name)}: {_quoted(text)}" for name, text in notes.items()]
    for key, texts in ("conventions", conventions.items()), ("metadata", sorted(metadata.items())):
        inner = ",\n".join(f"    {_quoted(name)}: {_quoted(text)}" for name, text in texts)
        lines.append(f'"{key}": {{\n{inner}\n  }}' if inner else f'"{key}": {{}}')
    lines += [f'"offset": {offset!r}', f'"dtype": "{tensors["means"].dtype}"']
    lines += [f'"{name}": {_nested(tensor)}' for name, tensor in tensors.items()]
    return "{\n  " + ",\n  ".join(lines) + "\n}\n"


def from_json(text: str) -> tuple[Tensors, dict[str, str]]:
    """The tensors and the header, as a model file has them; neither is checked further. Raises ValueError."""
    try:
        content = json.loads(text, parse_int=float)  # a whole number may have any number of digits
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise ValueError(f"it is not valid JSON: {reason}") from error
    if not isinstance(content, dict):
        raise ValueError("it must hold one object, {...}")
    own = content.get("metadata", {})
    if not isinstance(own, dict) or not all(map(_is_text, [*own, *own.values()])):
        raise ValueError('"metadata" must be text by name')
    dtype = content.get("dtype", "float32")
    if not isinstance(dtype, str) or dtype not in _DTYPES:
        raise ValueError('"dtype" must be "float32" or "float64"')
    names, said = [*_TENSORS], ["format", "format_version", "offset"]
    if "profile" in content:
        names.append("parameters")
        said.append("profile")
    tensors = {name: _numbers(content, name, _DTYPES[dtype]) for name in names}
    notes = {name: str(content.get(name, "")) for name in said}
    return tensors, own | notes


def to_csv(
    tensors: Mapping[str, np.ndarray], offset: float, shape: tuple[int, int] | None, profile: str | None = None
) -> str:
    """``profile``: the name of that of ``Atoms``."""
    weights, means, chol = (tensors[name] for name in _TENSORS)
    same = {"offset": str(offset), "bits": str(8 * means.dtype.itemsize)}
    same |= zip(_SIZE_COLUMNS, map(str, shape or ()), strict=False)
    columns, parts = [*_SHAPE_COLUMNS], [means, chol]
    if profile is None:
        columns += _weight_columns(None, *weights.shape[1:])
    else:
        same["profile"] = profile
        columns += [*_parameter_columns(tensors["parameters"].shape[1]), *_weight_columns(*weights.shape[1:])]
        parts.append(tensors["parameters"])
    numbers = np.concatenate([*parts, weights.reshape(len(means), -1)], axis=1)
    return table([*columns, *same], ([*map(shortest, row), *same.values()] for row in numbers)).decode()


def from_csv(text: str) -> tuple[Tensors, dict[str, str]]:
    """The tensors and the header, without the format's own text; neither is checked further. Raises ValueError.

    Columns may be in any order, and rows may be empty. Without ``bits`` numbers are float32; without ``offset`` it is
    1.
    """
    try:
        filled = ([cell.strip() for cell in row] for row in csv.reader(io.StringIO(text)) if any(row))
        head, *rows = [*itertools.islice(filled, MAX_COMPONENTS + 2)] or [[]]
    except csv.Error as error:
        raise ValueError(f"it is not valid CSV: {error}") from error
    found = [match.groups() for name in head if (match := _WEIGHT.fullmatch(name))] or [(None, None)]
    terms, channels = (None if {*part} == {None} else len({*part}) for part in zip(*found, strict=True))
    weights = _weight_columns(terms, channels) if (terms or 1) * (channels or 1) == len(found) else ["weight"]
    parameters = _parameter_columns(sum(name.startswith("parameter_") for name in head))
    needed, optional = {*_SHAPE_COLUMNS, *weights}, {"offset", "bits", *_SIZE_COLUMNS}
    if terms is not None:
        needed |= {"profile", *parameters}
    if len(set(head)) < len(head) or not needed <= set(head) <= needed | optional:
        layout = "row,column,l11,l21,l22,weight (or weight_1,weight_2,... in colour),offset,bits,height,width"
        more = "with a profile also profile and its parameter_1,..., and term_1_weight,... in place of weight"
        raise ValueError(f"its first line must have the columns {layout}, of which the last four are optional; {more}")
    columns = dict(zip(head, zip(*_cells(head, rows), strict=True), strict=True)) if rows else {}
    if not columns:
        raise ValueError("it has no rows below its head")
    bits = _same(columns, "bits", "32")
    if bits not in ("32", "64"):
        raise ValueError("the column bits must be 32 or 64")
    dtype = np.float32 if bits == "32" else np.float64
    shape = tuple(count for count in (terms, channels) if count is not None)
    tensors = {
        "weights": _stacked(columns, weights, dtype).reshape(-1, *shape),
        "means": _stacked(columns, _SHAPE_COLUMNS[:2], dtype),
        "precision_chol": _stacked(columns, _SHAPE_COLUMNS[2:], dtype),
    }
    if terms is not None:
        empty = np.empty((len(tensors["means"]), 0), dtype)
        tensors["parameters"] = _stacked(columns, parameters, dtype) if parameters else empty
    same = {name: _same(columns, name, "") for name in (*_SIZE_COLUMNS, "profile") if name in columns}
    return tensors, {**same, "offset": _same(columns, "offset", "1.0")}


def _quoted(text: str) -> str:
    """A JSON string in ASCII that may also stand inside of an HTML page."""
    return json.dumps(text).replace("<", "\\u003c")


def _nested(array: np.ndarray) -> str:
    """With a line for each component."""
    return _in_line(array) if array.ndim == 1 else "[\n    " + ",\n    ".join(map(_in_line, array)) + "\n  ]"


def _in_line(array) -> str:
    return f"[{', '.join(map(_in_line, array))}]" if array.ndim else shortest(array)


def _numbers(content: Mapping[str, Any], name: str, dtype) -> np.ndarray:
    try:
        return _as(dtype, np.array(content.get(name), np.float64))
    except (TypeError, ValueError) as error:
        raise ValueError(f'"{name}" must be a list of numbers, or of lists of the same length') from error


def _is_text(value: Any) -> bool:
    """Text that UTF-8 can hold: JSON may have halves of characters."""
    return isinstance(value, str) and value.encode("utf-8", "replace").decode() == value


def _weight_columns(terms: int | None, channels: int | None = None) -> list[str]:
    """``terms``: None for Gaussians; ``channels``: None for gray."""
    each = ["weight"] if channels is None else [f"weight_{number + 1}" for number in range(channels)]
    return each if terms is None else [f"term_{number + 1}_{name}" for number in range(terms) for name in each]


def _parameter_columns(count: int) -> list[str]:
    return [f"parameter_{number + 1}" for number in range(count)]


def _cells(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Sequence[Sequence[str]]:
    for number, row in enumerate(rows, 1):
        if len(row) != len(head):
            raise ValueError(f"row {number} below its head has {len(row)} cells, and the head {len(head)}")
    return rows


def _stacked(columns: Mapping[str, Sequence[str]], names: Sequence[str], dtype) -> np.ndarray:
    return _as(dtype, np.stack([_parsed(columns, name) for name in names], axis=-1))


def _parsed(columns: Mapping[str, Sequence[str]], name: str) -> np.ndarray:
    try:
        return np.array([float(cell) for cell in columns[name]])
    except ValueError as error:
        problem = "has a cell that is not a number; write numbers with a point, as in 0.5, and commas between columns"
        raise ValueError(f"the column {name} {problem}") from error


def _same(columns: Mapping[str, Sequence[str]], name: str, default: str) -> str:
    values = set(columns.get(name, [default]))
    if len(values) > 1:
        raise ValueError(f"the column {name} must have the same number in every row")
    return values.pop()


def _as(dtype, array: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore", under="ignore"):
        return array.astype(dtype)
