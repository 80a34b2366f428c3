"""Runs the experiments, each in a process of its own, and writes RESULTS.md with its pictures.

What was computed before with the same code, data and options is used again, and a run that was interrupted goes on.
RESULTS.md is written where all experiments have run; those named alone leave theirs in runs/experiments/NAME.
"""

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Literal

import tyro

from benchmarks.machine import machine
from experiments.collection import Options, name_of
from experiments.report import RECORD, SECTION

NAMES = (
    "training",
    "average_face",
    "published",
    "personal",
    "surface",
    "components",
    "transforms",
    "controls",
    "sensitivity",
)
PLACE = Path(__file__).parent


@dataclasses.dataclass(frozen=True)
class Everything(Options):
    names: tyro.conf.Positional[tuple[Literal[NAMES], ...]] = ()  # type: ignore[valid-type]
    """Only these experiments; none named: all."""

    full: bool = False
    """The paper's size in place of one that suits two cores."""

    out: Path = PLACE
    """Where RESULTS.md and its pictures are written."""


def main() -> None:
    everything = tyro.cli(Everything, description=__doc__, prog="experiments", config=(tyro.conf.FlagCreatePairsOff,))
    options = [*(["--full"] if everything.full else []), *shared_options(everything)]
    for name in everything.names or NAMES:
        print(f"== {name}", flush=True)
        if subprocess.run([sys.executable, "-m", f"experiments.{name}", *options]).returncode:
            sys.exit(f"{name} has failed. What was computed is kept; the same command goes on from there.")
    if not everything.names:
        write(everything)


def shared_options(options: Options) -> list[str]:
    """Those that differ from their defaults, as arguments."""
    arguments: list[str] = []
    for field in dataclasses.fields(Options):
        value = getattr(options, field.name)
        if value != field.default:
            name = f"--{field.name.replace('_', '-')}"
            arguments += [name] if value is True else [name, str(value)]
    return arguments


def write(everything: Everything) -> None:
    """RESULTS.md from the sections that lie in the runs' folder, and their pictures."""
    runs, results = everything.runs, everything.out / "results"
    shutil.rmtree(results, ignore_errors=True)
    records, sections = {}, []
    for name in NAMES:
        record = json.loads((runs / name / RECORD).read_text(encoding="utf-8"))
        section = (runs / name / SECTION).read_text(encoding="utf-8")
        sections.append(f"## {record['title']}\n\n{record['how']}\n\n{section}")
        records[record["title"]] = record["comparisons"]
        shutil.copytree(runs / name / "results", results, dirs_exist_ok=True)
    command = "make experiments" + (" FULL=1" if everything.full else "")
    faces = name_of(everything) + (f", and beside it {everything.also.name}" if everything.also else "")
    head = f"# Results\n\nWritten by `{command}`, never by hand. Faces: {faces} (README, Credits). {machine()}.\n"
    place = everything.out / "RESULTS.md"
    place.write_text("\n".join([head, summary(records), *sections]), encoding="utf-8")
    print(f"{place} is written.")


def summary(records: dict[str, list[dict]]) -> str:
    every = [comparison for comparisons in records.values() for comparison in comparisons]
    lines = [f"{sum(c['agrees'] for c in every)} of {len(every)} comparisons come out as expected. These do not:", ""]
    for title, comparisons in records.items():
        lines += [
            f"- {title.split(':')[0]}: {c['claim']}: expected {c['expected']}, here {c['here']}; {c['why']}."
            for c in comparisons
            if not c["agrees"]
        ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
