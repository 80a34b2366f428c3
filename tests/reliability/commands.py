"""The gmjax command in processes of its own, which can be killed and interrupted."""

import dataclasses
import multiprocessing
import os
import signal
import socket
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

CONTEXT = multiprocessing.get_context("forkserver")
# Imported once: each command then starts in no time.
CONTEXT.set_forkserver_preload(["gmjax.commands.main", "gmjax.plotting", "grain", "tyro", "imageio.v3"])


@dataclasses.dataclass
class Command:
    """One process at work in ``folder``; what it says is in ``log``."""

    process: multiprocessing.process.BaseProcess
    log: Path

    def status(self, timeout: float = 240) -> int:
        self.process.join(timeout)
        assert self.process.exitcode is not None, f"it hangs; its output: {self.said()}"
        return self.process.exitcode

    def said(self) -> str:
        return self.log.read_text() if self.log.exists() else ""


def start(
    folder: Path,
    *arguments: object,
    name: str = "log",
    devices: int = 1,
    **seconds: float,
) -> Command:
    """Starts ``gmjax ARGUMENTS`` in ``folder``; ``seconds``: other values of constants of gmjax.parallel.processes."""
    log = folder / f"{name}.txt"
    words = [str(argument) for argument in arguments]
    process = CONTEXT.Process(target=_run, args=(folder, words, log, devices, seconds))
    process.start()
    return Command(process, log)


def start_together(folder: Path, count: int, *arguments: object, **seconds: float) -> list[Command]:
    """``count`` processes of one distributed run, with two devices each."""
    together = of_several(count)
    return [start(folder, *arguments, *together, i, name=f"log{i}", devices=2, **seconds) for i in range(count)]


def of_several(count: int) -> tuple[object, ...]:
    """The options of a run of ``count`` processes; the number of the one is to follow."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return "--distributed", "--coordinator", f"127.0.0.1:{port}", "--processes", count, "--process"


def finish(folder: Path, *arguments: object) -> Command:
    command = start(folder, *arguments)
    assert command.status() in (0, 1), command.said()
    return command


def measured(
    function: Callable, *arguments: object, strict: bool = False, timeout: float = 300
) -> tuple[object, float]:
    """What ``function(*arguments)`` returns in a process of its own, and the peak of that process in MiB.

    ``strict``: warnings are errors. What getrusage says of the peak would include the process that started it.
    """
    here, there = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=_send_measured, args=(there, function, arguments, strict))
    process.start()
    there.close()
    try:
        assert here.poll(timeout), "it hangs"
        return here.recv()
    except EOFError:
        raise AssertionError("it ended with an error or a signal") from None
    finally:
        here.close()
        process.kill()
        process.join()


def fill(folder: Path, count: int, shape: tuple[int, int] = (12, 12), seed: int = 0) -> Path:
    """``count`` small smooth pictures in nested folders."""
    from gmjax.data import write_picture

    rng = np.random.default_rng(seed)
    row, column = np.mgrid[: shape[0], : shape[1]] / shape[1]
    for number in range(count):
        path = folder / f"{number // 100}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        a, b, c = rng.uniform(1, 6, size=3)
        write_picture(path, 0.5 + 0.3 * np.sin(a * row + c) * np.cos(b * column))
    return folder


def results(folder: Path) -> dict[str, bytes]:
    """All files of a finished run that two runs must have in common."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in ("config.json", "finished.json"):
            found[name] = path.read_bytes()
    if "metrics.csv" in found:
        header, *rows = found["metrics.csv"].split(b"\n")
        if header.endswith(b",seconds"):
            found["metrics.csv"] = b"\n".join([header, *(row.rpartition(b",")[0] for row in rows)])
    return found


def _send_measured(connection, function: Callable, arguments: tuple, strict: bool) -> None:
    if strict:
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ResourceWarning)
    result = function(*arguments)
    status = Path("/proc/self/status").read_text()
    peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    connection.send((result, peak / 1024))


def _run(
    folder: Path,
    arguments: list[str],
    log: Path,
    devices: int,
    seconds: dict[str, float],
) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.chdir(folder)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored by what runs in a shell's background
    import jax

    from gmjax.commands import main
    from gmjax.parallel import processes

    for name, value in seconds.items():
        assert hasattr(processes, name)
        setattr(processes, name, value)
    jax.config.update("jax_num_cpu_devices", devices)
    sys.exit(main.main(arguments))
