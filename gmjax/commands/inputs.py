"""The files that a run reads: its pictures, the table of their eyes and the model that it starts from."""

from collections.abc import Sequence
from pathlib import Path

from gmjax.commands.options import FitOptions
from gmjax.data import COLLECTION_SUFFIXES, Crop, Entry, ListedPictures, eyes_table, list_pictures, root_of
from gmjax.data.faces import EYES_FILE
from gmjax.errors import ArgumentError


def is_collection(source: Path) -> bool:
    return source.is_dir() or source.suffix.lower() in COLLECTION_SUFFIXES


def require_source(source: Path, out: Path) -> None:
    """Raises ArgumentError if there is no such picture or folder, or if results would be written among the pictures."""
    if not source.exists():
        raise ArgumentError(str(source), "does not exist: give a picture or a folder of pictures")
    if source.is_dir() and out.resolve().is_relative_to(source.resolve()):
        raise ArgumentError(
            "out",
            f"{out} is inside {source}, so the next run would take its results for pictures: give another folder",
        )


def entries_of(source: Path) -> list[Entry]:
    """The pictures of a collection, or the single one."""
    return list_pictures(source) if is_collection(source) else [_entry_of(source)]


def inputs_of(entries: Sequence[Entry], source: Path | None, options: FitOptions, *, aligned: bool) -> list[Entry]:
    """All files that a run of these pictures reads: a run is not resumed with others."""
    table = None if source is None or aligned else _table_of_eyes(source, options)
    return [*entries, *(_entry_of(path) for path in (table, options.start_file) if path is not None)]


def listed_pictures(entries: Sequence[Entry], source: Path, options: FitOptions, crop: Crop) -> ListedPictures:
    """Raises PictureError for a table of eyes that is wrong."""
    root = root_of(source)
    eyes = None if crop.aligned else eyes_table(root, options.eyes, (entry.name for entry in entries))
    return ListedPictures(entries, root, crop, eyes)


def _table_of_eyes(source: Path, options: FitOptions) -> Path | None:
    beside = root_of(source) / EYES_FILE
    return options.eyes or (beside if beside.is_file() else None)


def _entry_of(path: Path) -> Entry:
    try:
        found = path.stat()
    except OSError as error:
        raise ArgumentError(str(path), f"cannot be read ({error.strerror}): check the name") from error
    return Entry(str(path), found.st_size, found.st_mtime_ns)
