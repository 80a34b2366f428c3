"""How every experiment starts: its options from the command line, its results kept, its section of RESULTS.md."""

import dataclasses
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
    is_full = len(arguments) < len(sys.argv) - 1
    config = tyro.cli(
        type(quick),
        default=full if is_full else quick,
        args=arguments,
        description=described(doc, quick, full),
        prog=f"experiments.{name}",
        config=(tyro.conf.FlagCreatePairsOff,),
    )
    refuse_what_is_not_positive(config)
    kept = Kept(config.runs)
    try:
        report = run(config, kept)
    except (PictureError, ImportError) as error:
        sys.exit(f"experiments.{name}: {error}")
    except KeyboardInterrupt:
        sys.exit(f"experiments.{name}: interrupted; the same command goes on from what is kept in {config.runs}")
    command = " ".join([f"python -m experiments.{name}", *collection.changed(config, quick, names_only=True)])
    faces = report.faces or collection.name_of(config)
    folder = Path(config.runs, name)
    report.save(folder, f"`{command}`: {faces}, seed {config.seed}, {kept.seconds:.0f} s of fitting.")
    print(
        f"{report.title}\n\n{(folder / SECTION).read_text(encoding='utf-8')}\n`{command}`; pictures in {folder}/results"
    )


def described(doc: str, quick: Config, full: Config) -> str:
    # A blank line before each, or the help would run them together.
    paragraphs = re.sub(r"\n(Cost|Expected):", r"\n\n\1:", doc.strip())
    differences = " ".join(collection.changed(full, quick))
    size = f"--full, the paper's size, is {differences}." if differences else "--full changes nothing here."
    return f"{paragraphs}\n\n{size}"


def refuse_what_is_not_positive(config: collection.Options) -> None:
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        values = value if isinstance(value, tuple) else (value,)
        if field.name != "seed" and any(type(v) is int and v < 1 for v in values):
            sys.exit(f"--{field.name.replace('_', '-')} must be at least 1; got {value}")
