"""What the commands that fit have in common: the files they read, their processes and their run folder."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

from gmjax.commands.options import FitOptions, Plan
from gmjax.commands.printing import say
from gmjax.commands.run_folder import configuration_of, opened
from gmjax.data import (
    COLLECTION_SUFFIXES,
    Crop,
    Entry,
    ListedPictures,
    eyes_table,
    list_pictures,
    read_templates,
    root_of,
)
from gmjax.data.faces import EYES_FILE
from gmjax.errors import ArgumentError
from gmjax.parallel import processes


def run_command(
    command: str,
    options: FitOptions,
    source: Path | None,
    out: Path,
    plan: Callable[[], Plan],
    work: Callable[[Path, Plan, Sequence[Entry]], int],
) -> int:
    """The exit status of ``work`` (folder, plan, pictures) in the run folder ``out``, or that of the finished run;
    ``plan`` is called once the processes are connected."""
    if source is not None and not source.exists():
        raise ArgumentError(str(source), "does not exist: give a picture or a folder of pictures")
    if source is not None and source.is_dir() and out.resolve().is_relative_to(source.resolve()):
        raise ArgumentError("out", f"{out} is inside {source}, among the pictures: give another folder")
    with processes.joined(*dataclasses.astuple(options.distribution)):
        planned = plan()
        entries = []
        if source is not None:
            entries = _listed(source) if is_collection(source) else [_entry_of(source)]
        inputs = [*entries, *_other_inputs(source, options, planned)]
        configuration = configuration_of(command, options, planned)
        with opened(out, configuration, inputs, overwrite=options.overwrite) as finished:
            if finished is None:
                return work(out, planned, entries)
            said, status = finished
            if processes.is_first():
                say(f"{out} is finished, nothing was done; --overwrite does it again. Its output was:\n{said}")
            return status


def is_collection(source: Path) -> bool:
    return source.is_dir() or source.suffix.lower() in COLLECTION_SUFFIXES


def _listed(source: Path) -> list[Entry]:
    entries = list_pictures(source)
    if not source.is_dir() and not any(entry.modified or entry.wrong for entry in entries):
        problem = f"is read as a list of pictures, and none of its {len(entries)} lines names a file"
        raise ArgumentError(str(source), f"{problem}: give one path a line, relative to the list or absolute")
    return entries


def listed_pictures(entries: Sequence[Entry], source: Path, options: FitOptions, *, square: bool) -> ListedPictures:
    root, names = root_of(source), [entry.name for entry in entries]
    templates, eyes = None, None
    if options.templates is not None:
        templates = read_templates(options.templates, names, affine=options.affine, warped=options.warp)
    elif not options.aligned:
        eyes = eyes_table(root, options.eyes, names)
    crop = Crop(options.side, options.color, options.aligned, square, options.crop)
    return ListedPictures(entries, root, crop, eyes, templates)


def _other_inputs(source: Path | None, options: FitOptions, plan: Plan) -> list[Entry]:
    """The table of eyes, the templates, the masks, and the model to start from."""
    paths: list[Path] = []
    if options.templates is not None:
        paths = _files(options.templates, "*.tem")
    elif not options.aligned:
        eyes = options.eyes or (source and root_of(source) / EYES_FILE)
        paths = [eyes] if eyes and (options.eyes or eyes.is_file()) else []
    paths += [] if options.mask_files is None else _files(options.mask_files, "*")
    start = [Path(plan.start)] if plan.start not in ("published", "grid", "random") else []
    return [_entry_of(path) for path in [*paths, *start]]


def _files(source: Path, pattern: str) -> list[Path]:
    return sorted(path for path in source.rglob(pattern) if path.is_file()) if source.is_dir() else [source]


def _entry_of(path: Path) -> Entry:
    return Entry(str(path), path.stat().st_size, path.stat().st_mtime_ns)
