"""The report of an experiment: paragraphs, tables, figures, and comparisons of expected with measured values."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from matplotlib.figure import Figure

from experiments.markdown import table

SECTION, RECORD = "section.md", "record.json"
_DPI = 80


@dataclass(frozen=True)
class Comparison:
    """A quantity, the value expected by the paper or of gmjax, and the measured one; ``why`` explains a difference."""

    claim: str
    expected: str
    measured: str
    agrees: bool
    why: str = ""


@dataclass
class Report:
    """A section of RESULTS.md. ``subject``: what it is about, where that is not the collection ``--data``."""

    title: str
    subject: str | None = None
    parts: list[str] = field(default_factory=list)
    comparisons: list[Comparison] = field(default_factory=list)
    figures: dict[str, Figure] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)

    def text(self, paragraph: str) -> None:
        self.parts.append(paragraph)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        self.parts.append(table(columns, rows))

    def figure(self, name: str, figure: Figure, caption: str) -> None:
        """``name``: without a suffix, and unique among all experiments."""
        self.figures[f"{name}.png"] = figure
        self.parts.append(f"![{caption}](results/{name}.png)\n\n*{caption}*")

    def file(self, name: str, content: str) -> None:
        self.files[name] = content

    def compare(self, claim: str, expected: str, measured: str, agrees: bool, why: str = "") -> None:
        self.comparisons.append(Comparison(claim, expected, measured, bool(agrees), why))

    def save(self, folder: Path, origin: str) -> None:
        """Writes ``section.md``, its figures and files under ``results``, and ``record.json`` for the summary.

        ``origin``: one line that says how the results were produced.
        """
        (folder / "results").mkdir(parents=True, exist_ok=True)
        for name, figure in self.figures.items():
            figure.savefig(folder / "results" / name, dpi=_DPI, pil_kwargs={"optimize": True})
        for name, content in self.files.items():
            (folder / "results" / name).write_text(content, encoding="utf-8")
        text = "\n\n".join(self.parts + ([comparison_table(self.comparisons)] if self.comparisons else []))
        (folder / SECTION).write_text(text + "\n", encoding="utf-8")
        record = {"title": self.title, "origin": origin, "comparisons": [asdict(c) for c in self.comparisons]}
        (folder / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def comparison_table(comparisons: Sequence[Comparison]) -> str:
    rows = [(c.claim, c.expected, c.measured, "yes" if c.agrees else f"**no**: {c.why}") for c in comparisons]
    return table(("quantity", "expected", "measured", "agrees"), rows)
