"""The command line of an experiment: parses its options, runs it, and saves its section of RESULTS.md."""

import contextlib
import dataclasses
import importlib
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

import tyro

from experiments import collection
from experiments.cache import Cache
from experiments.report import SECTION
from gmjax.data import PictureError
from gmjax.errors import ArgumentError, GmjaxError
from gmjax.parallel import processes


def main(name: str) -> None:
    """Runs the experiment in ``experiments/NAME.py`` with the options in ``sys.argv``.

    ``--full`` takes the defaults from ``FULL`` instead of ``Config()``.
    """
    config = parse(name, sys.argv[1:])
    with started(config, f"experiments.{name}"):
        run(name, config)


def parse(name: str, arguments: Sequence[str]) -> collection.Options:
    """The options of experiment ``name`` given by ``arguments``."""
    experiment = module(name)
    quick, full = experiment.Config(), experiment.FULL
    config = tyro.cli(
        type(quick),
        default=full if "--full" in arguments else quick,
        args=[argument for argument in arguments if argument != "--full"],
        description=help_text(experiment.__doc__, quick, full),
        prog=f"experiments.{name}",
        config=(tyro.conf.FlagCreatePairsOff,),
    )
    check(config)
    return config


@contextlib.contextmanager
def started(options: collection.Options, program: str) -> Iterator[None]:
    """Joins the other processes of a distributed run. Errors that the user can correct end the program in one line."""
    try:
        with processes.joined(*dataclasses.astuple(options.distribution)):
            yield
        return
    except (KeyboardInterrupt, processes.Stopped):
        problem = f"interrupted; finished results are in {options.runs}, and the same command resumes from them"
    except ArgumentError as error:
        problem = f"{as_option(error.argument, options)} {error.problem}"
    except (GmjaxError, PictureError, ImportError, OSError) as error:
        problem = str(error)
    print(f"{program}: {problem}", file=sys.stderr)
    sys.exit(processes.leave(1))


def run(name: str, config: collection.Options) -> None:
    """Runs experiment ``name``; process 0 saves its section and prints it."""
    experiment = module(name)
    cached = Cache(config.runs)
    report = experiment.run(config, cached)
    if not processes.is_first():
        return
    options = collection.arguments(config, experiment.Config(), for_report=True)
    command = " ".join([f"python -m experiments.{name}", *options])
    subject = report.subject or collection.name_of(config)
    folder = Path(config.runs, name)
    report.save(folder, f"`{command}`: {subject}, seed {config.seed}, {cached.seconds:.0f} s of fitting.")
    section = (folder / SECTION).read_text(encoding="utf-8")
    print(f"{report.title}\n\n{section}\n`{command}`; figures in {folder}/results")


def module(name: str) -> ModuleType:
    """The module of an experiment under its own name, never as ``__main__``: cached results depend on it."""
    return importlib.import_module(f"experiments.{name}")


def help_text(doc: str, quick: collection.Options, full: collection.Options) -> str:
    # Without a blank line before each, tyro would join them into one paragraph.
    paragraphs = re.sub(r"\n(Cost|Expected):", r"\n\n\1:", doc.strip())
    differences = " ".join(collection.arguments(full, quick))
    size = f"--full, the paper's size, stands for {differences}." if differences else "--full has no effect here."
    return f"{paragraphs}\n\n{size}"


def as_option(argument: str, options: collection.Options) -> str:
    """``argument`` of gmjax as the command line names it, if it is one of the ``options``."""
    name = argument.removeprefix("FitConfig.")
    fields = dataclasses.fields(options) + dataclasses.fields(options.distribution)
    return f"--{name.replace('_', '-')}" if name in {field.name for field in fields} else argument


def check(options: collection.Options) -> None:
    """Exits with a message if a count is below 1."""
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        values = value if isinstance(value, tuple) else (value,)
        if field.name != "seed" and any(type(v) is int and v < 1 for v in values):
            sys.exit(f"--{field.name.replace('_', '-')} must be at least 1; got {value}")
