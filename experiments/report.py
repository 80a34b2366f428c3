"""What an experiment says in the end: paragraphs, tables, pictures, and each of the paper's figures beside its own."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from matplotlib.figure import Figure

from benchmarks.timing import table

SECTION, RECORD = "section.md", "record.json"
_DPI = 80


@dataclass(frozen=True)
class Comparison:
    """One claim, what is expected (by the paper, or of gmjax), what came out; and where these differ, why."""

    claim: str
    expected: str
    here: str
    agrees: bool
    why: str = ""


@dataclass
class Report:
    """A section of RESULTS.md in the making."""

    title: str
    faces: str | None = None
    """What it is about, where that is not the collection of the options."""
    parts: list[str] = field(default_factory=list)
    comparisons: list[Comparison] = field(default_factory=list)
    figures: dict[str, Figure] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)

    def say(self, text: str) -> None:
        self.parts.append(text)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        self.parts.append(table(columns, rows))

    def figure(self, name: str, figure: Figure, caption: str) -> None:
        """``name`` without a suffix; it must be the only one of that name in all experiments."""
        self.figures[f"{name}.png"] = figure
        self.parts.append(f"![{caption}](results/{name}.png)\n\n*{caption}*")

    def file(self, name: str, content: str) -> None:
        self.files[name] = content

    def compare(self, claim: str, expected: str, here: str, agrees: bool, why: str = "") -> None:
        self.comparisons.append(Comparison(claim, expected, here, bool(agrees), why))

    def save(self, folder: Path, how: str) -> None:
        """``section.md``, its pictures and files under ``results``, and ``record.json`` for the summary.

        ``how``: in a line, how all this was made.
        """
        (folder / "results").mkdir(parents=True, exist_ok=True)
        for name, figure in self.figures.items():
            figure.savefig(folder / "results" / name, dpi=_DPI, pil_kwargs={"optimize": True})
        for name, content in self.files.items():
            (folder / "results" / name).write_text(content, encoding="utf-8")
        text = "\n\n".join(self.parts + ([comparison_table(self.comparisons)] if self.comparisons else []))
        (folder / SECTION).write_text(text + "\n", encoding="utf-8")
        record = {"title": self.title, "how": how, "comparisons": [asdict(c) for c in self.comparisons]}
        (folder / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def comparison_table(comparisons: Sequence[Comparison]) -> str:
    rows = [(c.claim, c.expected, c.here, "yes" if c.agrees else f"**no**: {c.why}") for c in comparisons]
    return table(("what", "expected", "here", "agrees"), rows)
