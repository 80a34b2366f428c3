"""CSV tables, written atomically."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from gmjax.files.atomic import write_atomically


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    write_atomically(path, table(columns, rows))


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """The content of a CSV file in UTF-8. Bytes of a file name that are not UTF-8 are written as escapes."""
    content = io.BytesIO()
    with io.TextIOWrapper(content, encoding="utf-8", errors="backslashreplace", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
        stream.flush()
        return content.getvalue()


def rows_of(content: bytes) -> list[list[str]]:
    """The rows of a CSV file, without the line of column names."""
    return [row for row in csv.reader(io.StringIO(content.decode(), newline="")) if row][1:]
