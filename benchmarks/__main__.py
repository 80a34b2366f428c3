"""Runs the comparisons and writes RESULTS.md: ``python -m benchmarks [NAME ...] [--data FOLDER]``.

With names, the other sections stay as they are, unless they come from another machine or other versions.
"""

import argparse
import importlib
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.machine import machine

PARTS = ("step", "batches", "sizes", "solvers", "statistics", "reading", "gpu")
RESULTS = Path(__file__).with_name("RESULTS.md")


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(PARTS))
    parser.add_argument("--data", type=Path, help="for solvers: a folder of faces with their eyes.csv")
    arguments = parser.parse_args()
    names = arguments.names or PARTS
    if unknown := set(names) - set(PARTS):
        parser.error(f"{', '.join(sorted(unknown))}: not among {', '.join(PARTS)}")
    if len(names) == 1:
        run(names[0], arguments.data)
        return
    # Each in a process of its own, so that none inherits the memory and the threads of another.
    data = [] if arguments.data is None else ["--data", str(arguments.data)]
    for name in names:
        subprocess.run([sys.executable, "-m", "benchmarks", name, *data], check=True)


def run(name: str, data: Path | None) -> None:
    begun = time.perf_counter()
    module = importlib.import_module(f"benchmarks.{name}")
    measured = module.run(data) if name == "solvers" else module.run()
    print(f"{name} ({time.perf_counter() - begun:.0f} s)\n\n{measured}\n", flush=True)
    write(name, f"{module.__doc__.strip()}\n\n{measured}")


def write(name: str, text: str) -> None:
    """The section ``name`` of RESULTS.md, written anew."""
    head = f"# Results\n\nWritten by `make bench`, never by hand. {machine()}; seed 0. Medians of runs in turn.\n"
    old, *sections = RESULTS.read_text().split("\n## ") if RESULTS.exists() else [""]
    found = dict(section.split("\n", 1) for section in sections) if old.strip() == head.strip() else {}
    found[name] = f"\n{text}\n"
    RESULTS.write_text(head + "".join(f"\n## {part}\n{found[part].rstrip()}\n" for part in PARTS if part in found))


if __name__ == "__main__":
    main()
