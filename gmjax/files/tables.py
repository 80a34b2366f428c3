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
    content = io.BytesIO()  # a StringIO would hold four bytes a character
    with io.TextIOWrapper(content, "utf-8", "backslashreplace", newline="") as text:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
        text.flush()
        return content.getvalue()
