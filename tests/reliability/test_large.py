"""Collections larger than memory: it does not grow with the number of pictures, and their form changes nothing."""

import contextlib
import itertools
import os
import re
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

from tests.reliability import commands
from tests.reliability.conftest import SOAK_MINUTES

# Its name, place, size and time of modification are held in memory.
BYTES_A_PICTURE = 400
# How far the peaks of two equal runs may differ: allocators do not do the same thing twice.
SPREAD_MIB = 24
FEW = ("--aligned", "--size", 8, "--components", 2)


def run_command(folder: Path, words: list[str]) -> int:
    from gmjax.commands import main

    os.chdir(folder)
    return main.main(words)


def peak_of(folder: Path, *arguments: object) -> float:
    """The peak in MiB of a command that ends with status 0, in ``folder``."""
    status, peak = commands.measured(run_command, folder, [str(argument) for argument in arguments], timeout=3600)
    assert status == 0
    return peak


def fill_shards(folder: Path, count: int) -> Path:
    """``count`` pictures of at most 500 kinds, in shards of 500, which are links to one."""
    kinds = folder.with_name("kinds")
    one = folder.with_name("one.tar")
    if not one.exists():
        commands.fill(kinds, 500, (8, 8))
        with tarfile.open(one, "w") as tar:
            tar.add(kinds, ".")
    folder.mkdir()
    for number in range(count // 500):
        # In folders: a file has at most some ten thousand links, a folder any number of files.
        path = folder / f"{number // 1000}" / f"{number}.tar"
        path.parent.mkdir(exist_ok=True)
        os.link(one, path)
    return folder


@pytest.mark.soak
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is Linux's to tell")
def test_memory_does_not_grow_with_the_pictures(tmp_path, trials):
    """Each size is ten times, and in a soak then twice, the one before."""
    peaks: dict[int, float] = {}
    counts = itertools.chain([500, 5_000, 50_000], (100_000 * 2**n for n in range(5)))
    fault = "500 pictures, then many more, in shards: memory"
    for number, count in zip(trials(fault, short=2, long=6, share=0.1), counts, strict=False):
        fill_shards(tmp_path / f"{count}", count)
        peaks[count] = peak_of(
            tmp_path, "common-model", "--data", f"{count}", *FEW, "--steps", 5, "--out", f"o{number}"
        )
        growth = (peaks[count] - peaks[500]) * 2**20
        assert growth < BYTES_A_PICTURE * count + SPREAD_MIB * 2**20, peaks
    said = ", ".join(f"{peak:.0f} MiB for {count}" for count, peak in peaks.items())
    trials.cost(f"nothing: {said}")


@pytest.mark.soak
def test_the_same_pictures_in_another_form_give_the_same_model(tmp_path):
    """As nested folders, a list, shards, shards in a folder; on threads and in processes."""
    folder = commands.fill(tmp_path / "in", 300)
    (folder / "1" / "broken.png").write_bytes(b"no picture")
    names = sorted((path.relative_to(folder).as_posix() for path in folder.rglob("*.png")), reverse=True)
    (tmp_path / "list.txt").write_text("".join(f"in/{name}\n" for name in names))
    (tmp_path / "shards").mkdir()
    for place, start in enumerate(range(0, len(names), 120)):
        with tarfile.open(tmp_path / "shards" / f"{place}.tar", "w") as tar:
            for name in names[start : start + 120]:
                tar.add(folder / name, name)
    (tmp_path / "shards.txt").write_text("".join(f"shards/{place}.tar\n" for place in (2, 0, 1)))
    models = {}
    forms = ("in", 0), ("shards", 2 if SOAK_MINUTES else 1), ("list.txt", 0), ("shards.txt", 0)
    for source, workers in forms if SOAK_MINUTES else forms[:2]:
        out = f"out-{source}-{workers}"
        command = commands.finish(
            tmp_path, "common-model", "--data", source, *FEW, "--steps", 20, "--workers", workers, "--out", out
        )
        said = command.said()
        assert "1 of 301 are skipped" in said
        assert "Common face of 300 faces" in said
        # Progress is for terminals; no process that reads has anything of its own to say.
        assert len(said.splitlines()) == 7, said
        models[out] = (tmp_path / out / "model.safetensors").read_bytes()
    assert len(set(models.values())) == 1


@pytest.mark.soak
@pytest.mark.skipif(not Path("/dev/shm").exists(), reason="shared memory is to be seen on Linux")
@pytest.mark.usefixtures("heard_interrupts")
@pytest.mark.parametrize("number", [2, 9, 15] if SOAK_MINUTES else [9])
def test_processes_that_read_end_with_the_run(tmp_path, number):
    """Interrupted, killed, or asked to stop."""
    fill_shards(tmp_path / "in", 50_000)
    before = shared_memory()
    command = [
        sys.executable, "-m", "gmjax", "common-model", "--data", "in", *map(str, FEW), "--workers", "2", "--out", "out"
    ]  # fmt: skip
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        begun = wait_until(lambda: len(children(process.pid)) >= 3 and children(process.pid), process)
        wait_until(lambda: (tmp_path / "out" / "config.json").exists(), process)
        process.send_signal(number)
        said = process.communicate(timeout=60)[1]
    assert process.returncode == {2: 130, 9: -9, 15: 143}[number], said
    wait_until(lambda: not any(Path(f"/proc/{child}").exists() for child in begun))
    assert shared_memory() <= before
    if number != 9:
        assert not re.search("Traceback|Warning|leaked", said), said


@pytest.fixture
def heard_interrupts():
    """They are ignored by what runs in a shell's background, and by what that starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def children(pid: int) -> list[int]:
    """Whichever of its threads began them."""
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # of a thread that has ended
            found += [int(child) for child in path.read_text().split()]
    return found


def wait_until(condition, process: subprocess.Popen | None = None):
    until = time.monotonic() + 60
    while not (found := condition()):
        assert time.monotonic() < until
        assert process is None or process.poll() is None
        time.sleep(0.05)
    return found


def shared_memory() -> set[str]:
    """What there is of it on this machine; semaphores come and go with every other test."""
    return {name for name in os.listdir("/dev/shm") if not name.startswith("sem.")}
