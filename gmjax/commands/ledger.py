"""What became of each picture of a run: one line as soon as it is known, each process in its own file.

A line is the picture's number and fields of text. One that was cut short, by whatever ended its process, does not
count; of two for one picture the later file's does.
"""

import contextlib
import csv
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

_BYTES_AT_ONCE = 2**20


class Ledger:
    """Lines to add to one process's file in ``folder``."""

    def __init__(self, folder: Path, process: int):
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{process}.csv"
        _cut_to_whole_lines(path)
        # A file name that is no text in its file system's encoding must not end a long run.
        self._stream = open(path, "a", newline="", encoding="utf-8", errors="backslashreplace")  # noqa: SIM115
        self._writer = csv.writer(self._stream, lineterminator="\n")

    def add(self, number: int, *fields: Any) -> None:
        self._writer.writerow((number, *(" ".join(str(field).split()) for field in fields)))
        self._stream.flush()

    def sync(self) -> None:
        """What was added is on the disk, not only with the system."""
        os.fsync(self._stream.fileno())

    def close(self) -> None:
        self._stream.close()


class Lines:
    """All lines in ``folder`` of a run of ``count`` pictures: by number, ``has`` (count,) where there is one."""

    def __init__(self, folder: Path, count: int):
        self._places = np.full(count, -1, np.int64)
        self._files = np.zeros(count, np.int16)
        self._paths: list[Path] = []
        for path in sorted(folder.glob("*.csv"), key=lambda path: path.stat().st_mtime_ns):
            self._read(path, count)

    @property
    def has(self) -> np.ndarray:
        return self._places >= 0

    def __iter__(self) -> Iterator[tuple[int, Sequence[str]]]:
        """(number, fields) of each picture that has a line, in order."""
        with contextlib.ExitStack() as stack:
            streams = [stack.enter_context(open(path, "rb")) for path in self._paths]
            for number in np.flatnonzero(self.has):
                stream = streams[self._files[number]]
                stream.seek(int(self._places[number]))
                yield int(number), next(csv.reader([stream.readline().decode("utf-8").rstrip("\n")]))[1:]

    def _read(self, path: Path, count: int) -> None:
        self._paths.append(path)
        start = 0
        with open(path, "rb") as stream:
            for line in stream:
                digits = line[: line.find(b",")]
                if line.endswith(b"\n") and digits.isdigit() and int(digits) < count:
                    self._places[int(digits)], self._files[int(digits)] = start, len(self._paths) - 1
                start += len(line)


def _cut_to_whole_lines(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError), open(path, "r+b") as stream:
        end = stream.seek(0, os.SEEK_END)
        while end:
            start = max(0, end - _BYTES_AT_ONCE)
            stream.seek(start)
            if (last := stream.read(end - start).rfind(b"\n")) >= 0:
                end = start + last + 1
                break
            end = start
        stream.truncate(end)
