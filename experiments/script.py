"""How every experiment starts: its options from the command line, its results kept, its section of RESULTS.md."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import tyro

from experiments.collection import Options
from experiments.kept import Kept
from experiments.report import Report

Config = TypeVar("Config", bound=Options)


def main(doc: str, quick: Config, full: Config, run: Callable[[Config, Kept], Report], name: str) -> None:
    """Runs the experiment ``name`` (its file's) from the command line; ``--full`` takes the defaults of ``full``."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--full"]
    default = quick if len(arguments) == len(sys.argv) - 1 else full
    description = f"{doc.strip()}\n\n--full as the first option: the paper's size, as the defaults below then show."
    config = tyro.cli(type(quick), default=default, args=arguments, description=description, prog=f"experiments.{name}")
    kept = Kept(config.runs)
    report = run(config, kept)
    folder = Path(config.runs, name)
    report.save(folder, kept.seconds)
    print(
        f"{report.title}\n\n{(folder / 'section.md').read_text()}\n{kept.seconds:.0f} s; pictures in {folder}/results"
    )
