"""How every experiment starts: its options from the command line, its results kept, its section of RESULTS.md."""

import contextlib
import dataclasses
import importlib
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import tyro

from experiments import collection
from experiments.kept import Kept
from experiments.report import SECTION
from gmjax.data import PictureError
from gmjax.parallel import processes


def main(name: str) -> None:
    """Runs the experiment ``name`` (its file's) from the command line; ``--full`` takes its ``FULL`` as defaults."""
    config = asked_for(name, sys.argv[1:])
    with joined(config, f"experiments.{name}"):
        carry_out(config, name)


def asked_for(name: str, arguments: Sequence[str]) -> collection.Options:
    """The options that ``arguments`` give."""
    experiment = module_of(name)
    quick, full = experiment.Config(), experiment.FULL
    config = tyro.cli(
        type(quick),
        default=full if "--full" in arguments else quick,
        args=[argument for argument in arguments if argument != "--full"],
        description=described(experiment.__doc__, quick, full),
        prog=f"experiments.{name}",
        config=(tyro.conf.FlagCreatePairsOff,),
    )
    refuse_what_cannot_be(config)
    return config


@contextlib.contextmanager
def joined(config: collection.Options, name: str) -> Iterator[None]:
    """Around all that touches a device: with ``--distributed`` the other processes of the run join this one."""
    if config.distributed:
        try:
            processes.start(config.coordinator, config.processes, config.process)
        except (ValueError, OSError) as error:
            sys.exit(f"{name}: {error}")
    with processes.ending_together():
        yield


def carry_out(config: collection.Options, name: str) -> None:
    """The experiment from its options to its section, which the first process writes."""
    experiment = module_of(name)
    kept = Kept(config.runs)
    try:
        report = experiment.run(config, kept)
    except (PictureError, ImportError) as error:
        sys.exit(f"experiments.{name}: {error}")
    except KeyboardInterrupt:
        sys.exit(f"experiments.{name}: interrupted; the same command goes on from what is kept in {config.runs}")
    if not processes.is_first():
        return
    options = collection.changed(config, experiment.Config(), names_only=True)
    command = " ".join([f"python -m experiments.{name}", *options])
    faces = report.faces or collection.name_of(config)
    folder = Path(config.runs, name)
    report.save(folder, f"`{command}`: {faces}, seed {config.seed}, {kept.seconds:.0f} s of fitting.")
    print(
        f"{report.title}\n\n{(folder / SECTION).read_text(encoding='utf-8')}\n`{command}`; pictures in {folder}/results"
    )


def module_of(name: str):
    """By its own name, not as ``__main__``: what is kept belongs to an experiment, in whatever way it was started."""
    return importlib.import_module(f"experiments.{name}")


def described(doc: str, quick: collection.Options, full: collection.Options) -> str:
    # A blank line before each, or the help would run them together.
    paragraphs = re.sub(r"\n(Cost|Expected):", r"\n\n\1:", doc.strip())
    differences = " ".join(collection.changed(full, quick))
    size = f"--full, the paper's size, is {differences}." if differences else "--full changes nothing here."
    return f"{paragraphs}\n\n{size}"


def refuse_what_cannot_be(config: collection.Options) -> None:
    if not config.distributed and (config.coordinator, config.processes, config.process) != (None, None, None):
        sys.exit("--coordinator, --processes and --process go with --distributed")
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        values = value if isinstance(value, tuple) else (value,)
        if field.name not in ("seed", "process") and any(type(v) is int and v < 1 for v in values):
            sys.exit(f"--{field.name.replace('_', '-')} must be at least 1; got {value}")
