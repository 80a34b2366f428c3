"""The pictures of a collection, by name: those of a folder, of a list of files or of shards."""

import codecs
import contextlib
import os
import re
import tarfile
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from gmjax.data.formats import PICTURE_SUFFIXES, UNREAD, UNREAD_SUFFIXES, PictureError

_LIST, _SHARD = ".txt", ".tar"
COLLECTION_SUFFIXES = frozenset({_LIST, _SHARD})
_LISTED_SUFFIXES = PICTURE_SUFFIXES | UNREAD_SUFFIXES


class Entry(NamedTuple):
    """A picture of a collection.

    ``name``: relative to ``root_of`` the collection; ``shard/member`` in a shard. ``size``: in bytes. ``modified``: of
    the file or shard, in nanoseconds since 1970; both are 0 for a missing file. ``shard``, ``offset``: the shard that
    holds it, and where it begins. ``wrong``: why it cannot be used, where listing it already tells.
    """

    name: str
    size: int = 0
    modified: int = 0
    shard: str | None = None
    offset: int = 0
    wrong: str | None = None


def list_pictures(source: str | Path) -> list[Entry]:
    """Every picture of ``source``, in order; those of formats that are not read have a reason in ``wrong``.

    - A folder: the pictures and shards in it and its subfolders, by name and number, without hidden files.
    - A ``.tar`` file: a shard as WebDataset writes it, uncompressed; its pictures in the order of the file.
    - A ``.txt`` file: a list of pictures and shards, one path per line, relative to the list or absolute, in UTF-8 or
      UTF-16.

    Raises PictureError where ``source`` does not exist, is of another kind, cannot be read or holds no pictures.
    """
    source, root = Path(source), root_of(source)
    if source.is_dir():
        names = sorted(_files_in(source), key=natural_key)
    elif not source.is_file():
        raise PictureError(f"{source}: no such folder.")
    elif source.suffix.lower() == _SHARD:
        names = [source.name]
    elif source.suffix.lower() == _LIST:
        try:
            lines = _as_text(source.read_bytes()).split("\n")
        except OSError as error:
            raise PictureError(f"{source} cannot be read: {error.strerror}") from error
        names = [name for line in lines if (name := line.strip())]
    else:
        raise PictureError(f"{source} is no folder, list ({_LIST}) or shard ({_SHARD}) of pictures.")
    entries: list[Entry] = []
    for name in names:
        entries += _members_of(root, name) if _suffix(name) == _SHARD else [_entry_of_file(root, name)]
    if not entries:
        raise PictureError(f"{source} holds no pictures ({' '.join(sorted(PICTURE_SUFFIXES))}).")
    return entries


def _as_text(content: bytes) -> str:
    """In UTF-16 if it has its mark, or the zero byte that no path has; else in UTF-8, whatever bytes are in it."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", errors="replace")
    if b"\0" in content[:2]:
        return content.decode("utf-16-be" if content[:1] == b"\0" else "utf-16-le", errors="replace")
    return content.removeprefix(codecs.BOM_UTF8).decode("utf-8", errors="surrogateescape")


def root_of(source: str | Path) -> Path:
    """The folder that the names in ``list_pictures(source)`` are relative to."""
    source = Path(source)
    return source if source.is_dir() else source.parent


def natural_key(name: str) -> tuple[str, str]:
    """Sorts s2 before s10; the name itself breaks ties such as 1 and 01."""
    return re.sub("0*([0-9]+)", lambda number: f"\0{len(number[1]):03}{number[1]}", name), name


def _files_in(root: Path) -> Iterator[str]:
    def stop(error: OSError) -> None:
        raise PictureError(f"{error.filename} cannot be searched: {error.strerror}") from error

    suffixes = _LISTED_SUFFIXES | {_SHARD}
    for folder, folders, files in os.walk(root, onerror=stop):
        folders[:] = [name for name in folders if not name.startswith(".")]
        inner = "" if folder == str(root) else os.path.relpath(folder, root).replace(os.sep, "/") + "/"
        yield from (inner + name for name in files if _is_listed(name, suffixes))


def _members_of(root: Path, shard: str) -> Iterator[Entry]:
    count = 0
    try:
        modified = os.stat(root / shard).st_mtime_ns
        with tarfile.open(root / shard, "r:") as tar:
            for member in tar:
                tar.members = []  # type: ignore[attr-defined]  # it would keep a TarInfo of each
                count += 1
                if member.isreg() and _is_listed(member.name.rpartition("/")[2], _LISTED_SUFFIXES):
                    name, wrong = _checked(f"{shard}/{member.name}")
                    yield Entry(name, member.size, modified, shard, member.offset_data, wrong)
    except (tarfile.TarError, OSError) as error:
        problem = f"it cannot be read as an uncompressed tar file beyond its first {count} files ({error})"
        yield Entry(shard, wrong=problem)


def _entry_of_file(root: Path, name: str) -> Entry:
    name, wrong = _checked(name)
    # A list may write an accent within its letter, and the disk after it, or the other way round.
    for form in (name, unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name)):
        with contextlib.suppress(OSError):
            found = os.stat(os.path.join(root, form))
            return Entry(form, found.st_size, found.st_mtime_ns, wrong=wrong)
    return Entry(name, wrong=wrong)  # said when it is read


def _checked(name: str) -> tuple[str, str | None]:
    """The name as it can be shown, and what is wrong with it."""
    if (shown := re.sub(r"[\x00-\x1f]", "?", name)) != name:
        return shown, "its name has a line break or another control character: rename it"
    if ".." in name and ".." in Path(name).parts:
        return name, "its name leads out of its folder (..)"
    if (suffix := _suffix(name)) in UNREAD_SUFFIXES:
        return name, UNREAD.format(suffix=suffix)
    return name, None


def _is_listed(name: str, suffixes: frozenset[str]) -> bool:
    return not name.startswith(".") and _suffix(name) in suffixes


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()
