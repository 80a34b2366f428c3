"""Runs the experiments, each in a process of its own, and writes RESULTS.md with its pictures.

What was computed before with the same code, data and options is used again, and a run that was interrupted goes on.
RESULTS.md is written when all experiments have run. Options that are not listed here go to every experiment:
--data, --root, --also, --size, --seed, --runs; see python -m experiments.NAME --help.
"""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.machine import machine
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


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="experiments", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(NAMES)} (default: all)")
    parser.add_argument("--full", action="store_true", help="the paper's size in place of one that suits two cores")
    parser.add_argument("--runs", type=Path, default=Path("runs/experiments"), help="where results are kept")
    parser.add_argument("--out", type=Path, default=PLACE, help="where RESULTS.md is written")
    known, shared = parser.parse_known_args()
    if unknown := set(known.names) - set(NAMES):
        parser.error(f"{', '.join(sorted(unknown))}: not among {', '.join(NAMES)}")
    options = [*(["--full"] if known.full else []), "--runs", str(known.runs), *shared]
    for name in known.names or NAMES:
        print(f"== {name}", flush=True)
        subprocess.run([sys.executable, "-m", f"experiments.{name}", *options], check=True)
    if not known.names:
        write(known.runs, known.out, "make experiments" + (" FULL=1" if known.full else ""))


def write(runs: Path, out: Path, command: str) -> None:
    """RESULTS.md from the sections that lie in ``runs``, and their pictures."""
    shutil.rmtree(out / "results", ignore_errors=True)
    records, sections = {}, []
    for name in NAMES:
        record = json.loads((runs / name / RECORD).read_text(encoding="utf-8"))
        section = (runs / name / SECTION).read_text(encoding="utf-8")
        sections.append(f"## {record['title']}\n\n{record['how']}\n\n{section}")
        records[record["title"]] = record["comparisons"]
        shutil.copytree(runs / name / "results", out / "results", dirs_exist_ok=True)
    head = f"# Results\n\nWritten by `{command}`, never by hand. {machine()}.\n"
    (out / "RESULTS.md").write_text("\n".join([head, summary(records), *sections]), encoding="utf-8")
    print(f"{out / 'RESULTS.md'} is written.")


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
