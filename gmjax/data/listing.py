"""Which pictures there are in a folder, a list of files, or shards: named once, in order, and kept in a file.

Of a million pictures only that file grows: in memory there are eight bytes a picture. (A single folder that holds them
all takes a quarter of a gigabyte while it is sorted; folders of thousands do not.)
"""

import os
import re
import tarfile
import weakref
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gmjax.data.pictures import PICTURE_SUFFIXES, PictureError

LIST_SUFFIX, SHARD_SUFFIX = ".txt", ".tar"
COLLECTION_SUFFIXES = frozenset({LIST_SUFFIX, SHARD_SUFFIX})
_SEPARATOR = "\0"
_BYTES_AT_ONCE = 2**20


class Entry(NamedTuple):
    """One picture: its name; of a member of a shard where it lies there; or what is wrong with it."""

    name: str
    shard: str | None = None
    offset: int = 0
    size: int = 0
    wrong: str | None = None


def entries_of(source: str | Path) -> Iterator[Entry]:
    """Every picture of ``source`` in order.

    - a folder: it and the folders in it, sorted by name, numbers by their value; the names are relative to it. Hidden
      files are passed over, and links to folders are not followed. Of ``.tar`` files in it (shards, as WebDataset
      writes them) the pictures inside, named ``shard.tar/member``;
    - a ``.tar`` file;
    - a ``.txt`` file: a list of pictures and shards, one path a line, relative to the list or absolute.

    Raises:
        PictureError: no such folder or file, one of another kind, or a list or folder that cannot be read.
    """
    source = Path(source)
    if source.is_dir():
        yield from _in_folder(source, "")
    elif not source.is_file():
        raise PictureError(f"{source}: no such folder.")
    elif source.suffix.lower() == SHARD_SUFFIX:
        yield from _in_shard(source.parent, source.name)
    elif source.suffix.lower() == LIST_SUFFIX:
        yield from _in_list(source)
    else:
        raise PictureError(f"{source} is no folder, list ({LIST_SUFFIX}) or shard ({SHARD_SUFFIX}) of pictures.")


def root_of(source: str | Path) -> Path:
    """The folder that the names of ``entries_of(source)`` are relative to."""
    source = Path(source)
    return source if source.is_dir() else source.parent


def natural_key(name: str) -> tuple[str, str]:
    """Sorts s2 before s10; the name itself breaks ties such as 1 and 01."""

    def with_length(number: re.Match) -> str:
        digits = number[0].lstrip("0")
        return f"\0{len(digits):03}{digits}"

    return re.sub("[0-9]+", with_length, name), name


class Listing:
    """The entries that ``write_listing`` wrote, read where they are asked for: ``listing[number]``."""

    def __init__(self, path: Path):
        self.path = path
        self._file: int | None = None
        self._ends = np.zeros(0, np.int64)

    def __getstate__(self):
        # A process that decodes pictures opens the file itself.
        return self.path

    def __setstate__(self, path):
        self.__init__(path)  # type: ignore[misc]

    def __len__(self) -> int:
        self._open()
        return len(self._ends)

    def __iter__(self) -> Iterator[Entry]:
        return (self[number] for number in range(len(self)))

    def __getitem__(self, number: int) -> Entry:
        # Not from a map of the file, which would be in memory once all of it was read; and by many threads at once.
        file = self._open()
        start = int(self._ends[number - 1]) + 1 if number else 0
        line = os.pread(file, int(self._ends[number]) - start, start)
        return _parsed(line.decode("utf-8", "surrogateescape"))

    def _open(self) -> int:
        if self._file is None:
            file = os.open(self.path, os.O_RDONLY)
            weakref.finalize(self, os.close, file)
            parts = iter(lambda: os.read(file, _BYTES_AT_ONCE), b"")
            ends = array("q")
            at = 0
            for part in parts:
                found = np.flatnonzero(np.frombuffer(part, np.uint8) == ord("\n")) + at
                ends.frombytes(found.tobytes())
                at += len(part)
            self._ends = np.frombuffer(ends, np.int64) if ends else self._ends
            self._file = file
        return self._file


def write_listing(path: Path, source: str | Path) -> Listing:
    """``entries_of(source)`` in the file ``path``, whole or not at all.

    Raises:
        PictureError: as ``entries_of``; or there are no pictures.
    """
    temporary = path.with_name(f".{path.name}.part")
    try:
        with open(temporary, "w", encoding="utf-8", errors="surrogateescape", newline="") as stream:
            for entry in entries_of(source):
                stream.write(_line(entry))
            empty = stream.tell() == 0
        if empty:
            raise nothing_in(source)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return Listing(path)


def nothing_in(source: str | Path) -> PictureError:
    return PictureError(f"{source} holds no pictures ({' '.join(sorted(PICTURE_SUFFIXES))}).")


def _in_folder(root: Path, inner: str) -> Iterator[Entry]:
    try:
        with os.scandir(root / inner) as found:
            names = [name for item in found if (name := _name_in_folder(item))]
    except OSError as error:
        raise PictureError(f"{root} cannot be searched: {error}") from error
    names = [name for name in names if not name.startswith(".")]
    names.sort(key=natural_key)
    for name in names:
        if name.endswith("/"):
            yield from _in_folder(root, f"{inner}{name}")
        elif name.lower().endswith(SHARD_SUFFIX):
            yield from _in_shard(root, inner + name)
        elif _is_picture(name):
            yield _checked(Entry(inner + name))


def _name_in_folder(item: os.DirEntry) -> str:
    """With a / behind for a folder; nothing for a link to one, which might lead round in a circle."""
    if item.is_dir(follow_symlinks=False):
        return f"{item.name}/"
    try:
        return "" if item.is_symlink() and item.is_dir() else item.name
    except OSError:  # a link to itself
        return item.name


def _in_shard(root: Path, shard: str) -> Iterator[Entry]:
    count = 0
    try:
        with tarfile.open(root / shard, "r:") as tar:
            for member in tar:
                tar.members = []  # type: ignore[attr-defined]  # or it would keep what it knows of every member
                count += 1
                if member.isreg() and _is_picture(Path(member.name).name):
                    yield _checked(Entry(f"{shard}/{member.name}", shard, member.offset_data, member.size))
    except (tarfile.TarError, OSError) as error:
        wrong = f"it cannot be read as an uncompressed shard beyond its first {count} files ({error})"
        yield Entry(shard, wrong=wrong)


def _in_list(path: Path) -> Iterator[Entry]:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            for line in stream:
                name = line.strip()
                if name.lower().endswith(SHARD_SUFFIX):
                    yield from _in_shard(path.parent, name)
                elif name:
                    yield _checked(Entry(name))
    except OSError as error:
        raise PictureError(f"{path} cannot be read: {error}") from error


def _is_picture(name: str) -> bool:
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in PICTURE_SUFFIXES


def _checked(entry: Entry) -> Entry:
    """A name from outside must not lead out of the folder that the results go to, nor break the lines of a table."""
    wrong = None
    if any(ord(character) < 32 for character in entry.name):
        wrong = "its name has a line break or another control character"
    elif ".." in Path(entry.name).parts:
        wrong = "its name leads out of its folder (..)"
    if wrong is None:
        return entry
    return Entry("".join(c if ord(c) >= 32 else "?" for c in entry.name), wrong=wrong)


def _line(entry: Entry) -> str:
    fields: Iterable[str] = (entry.name,)
    if entry.wrong is not None:
        fields = (entry.name, " ".join(entry.wrong.split()))
    elif entry.shard is not None:
        fields = (entry.shard, str(entry.offset), str(entry.size), entry.name)
    return _SEPARATOR.join(fields) + "\n"


def _parsed(line: str) -> Entry:
    first, *others = line.split(_SEPARATOR)
    if not others:
        return Entry(first)
    if len(others) == 1:
        return Entry(first, wrong=others[0])
    offset, size, name = others
    return Entry(name, first, int(offset), int(size))
