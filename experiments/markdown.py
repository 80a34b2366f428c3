"""Tables in Markdown."""

import math
from collections.abc import Sequence


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table; floats are rounded to three significant digits, and NaN becomes a dash."""
    lines = [list(columns), ["---"] * len(columns), *([_text(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _text(cell: object) -> str:
    if not isinstance(cell, float):
        return str(cell)
    return "-" if math.isnan(cell) else f"{cell:.3g}" if abs(cell) < 1000 else f"{cell:.0f}"
