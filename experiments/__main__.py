"""Runs the experiments, each in a process of its own, and writes RESULTS.md with its pictures.

What was computed before with the same code, data and options is used again, and a run that was interrupted goes on.
RESULTS.md is written where all experiments have run; those named alone leave theirs in runs/experiments/NAME.
With --distributed all of them run in this one process, which joins the others of the run once.
"""

import dataclasses
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Literal

import tyro

from benchmarks.machine import machine
from experiments import script
from experiments.collection import Options, changed
from experiments.report import RECORD, SECTION
from gmjax.parallel import processes

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
    script.refuse_what_cannot_be(everything)
    arguments = [*(["--full"] if everything.full else []), *changed(everything, Options())]
    if everything.distributed:
        together(everything, arguments)
        return
    for name in everything.names or NAMES:
        print(f"== {name}", flush=True)
        try:
            failed = subprocess.run([sys.executable, "-m", f"experiments.{name}", *arguments]).returncode
        except KeyboardInterrupt:
            failed = 1
        if failed:
            sys.exit(f"{name} has not ended. What was computed is kept; the same command goes on from there.")
    if not everything.names:
        write(everything)


def together(everything: Everything, arguments: list[str]) -> None:
    configs = {name: script.asked_for(name, arguments) for name in everything.names or NAMES}
    with script.joined(everything, "experiments"):
        for name, config in configs.items():
            if processes.is_first():
                print(f"== {name}", flush=True)
            script.carry_out(config, name)
        if not everything.names and processes.is_first():
            write(everything)


def write(everything: Everything) -> None:
    """RESULTS.md from the sections that lie in the runs' folder, and their pictures."""
    records = {name: json.loads((everything.runs / name / RECORD).read_text(encoding="utf-8")) for name in NAMES}
    sections = [
        f"## {record['title']}\n\n{record['how']}\n\n{(everything.runs / name / SECTION).read_text(encoding='utf-8')}"
        for name, record in records.items()
    ]
    place, results = everything.out / "RESULTS.md", everything.out / "results"
    if place.exists():
        for old in re.findall(r"\(results/([\w.]+)\)", place.read_text(encoding="utf-8")):
            (results / old).unlink(missing_ok=True)
    for name in NAMES:
        shutil.copytree(everything.runs / name / "results", results, dirs_exist_ok=True)
    options = changed(everything, Options(), names_only=True)
    command = " ".join(["python -m experiments", *(["--full"] if everything.full else []), *options])
    head = f"# Results\n\nWritten by `make experiments` (`{command}`), never by hand. {machine()}.\n"
    comparisons = {record["title"]: record["comparisons"] for record in records.values()}
    place.write_text("\n".join([head, summary(comparisons), *sections]), encoding="utf-8")
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
