"""How every experiment starts: its options from the command line, its results kept, its section of RESULTS.md."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import tyro

from experiments import collection
from experiments.kept import Kept
from experiments.report import SECTION, Report

Config = TypeVar("Config", bound=collection.Options)


def main(doc: str, quick: Config, full: Config, run: Callable[[Config, Kept], Report], name: str) -> None:
    """Runs the experiment ``name`` (its file's) from the command line; ``--full`` takes the defaults of ``full``."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--full"]
    default = quick if len(arguments) == len(sys.argv) - 1 else full
    description = f"{doc.strip()}\n\n--full as the first option: the paper's size, as the defaults below then show."
    config = tyro.cli(type(quick), default=default, args=arguments, description=description, prog=f"experiments.{name}")
    kept = Kept(config.runs)
    report = run(config, kept)
    folder = Path(config.runs, name)
    how = f"`python -m experiments.{name}`, {collection.name_of(config)}, seed {config.seed}"
    report.save(folder, f"{how}; {kept.seconds:.0f} s for all that it uses.")
    print(f"{report.title}\n\n{(folder / SECTION).read_text(encoding='utf-8')}\n{how}; pictures in {folder}/results")
