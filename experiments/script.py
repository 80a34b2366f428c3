"""How every experiment starts: its options from the command line, its results kept, its section of RESULTS.md."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import tyro

from experiments import collection
from experiments.kept import Kept
from experiments.report import SECTION, Report
from gmjax.data import PictureError

Config = TypeVar("Config", bound=collection.Options)


def main(doc: str, quick: Config, full: Config, run: Callable[[Config, Kept], Report], name: str) -> None:
    """Runs the experiment ``name`` (its file's) from the command line; ``--full`` takes the defaults of ``full``."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--full"]
    default = quick if len(arguments) == len(sys.argv) - 1 else full
    # A blank line before each, or the help would run them together.
    paragraphs = re.sub(r"\n(Cost|Expected):", r"\n\n\1:", doc.strip())
    description = f"{paragraphs}\n\nWith --full the paper's size: the defaults below then are others."
    config = tyro.cli(
        type(quick),
        default=default,
        args=arguments,
        description=description,
        prog=f"experiments.{name}",
        config=(tyro.conf.FlagCreatePairsOff,),
    )
    kept = Kept(config.runs)
    try:
        report = run(config, kept)
    except (PictureError, ImportError) as error:
        sys.exit(f"experiments.{name}: {error}")
    folder = Path(config.runs, name)
    how = f"`python -m experiments.{name}`, {collection.name_of(config)}, seed {config.seed}"
    report.save(folder, f"{how}; {kept.seconds:.0f} s for all that it uses.")
    print(f"{report.title}\n\n{(folder / SECTION).read_text(encoding='utf-8')}\n{how}; pictures in {folder}/results")
