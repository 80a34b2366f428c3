"""Who is still there: a process that dies, stops or hangs must not leave the others waiting for ever.

Each process says every second how it goes, in the store of JAX's coordinator, and reads what the others say. One that
says nothing any more is dead or stopped. One that still says something, but whose work neither goes on nor uses the
processor nor waits for others, hangs. Either way the others end, with a message that names it.

If process 0 dies, the store goes with it, and JAX ends the others without asking; a small program beside each of them
(``witness.py``) then says so.
"""

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gmjax.parallel import witness

SILENT_SECONDS = 20
STUCK_SECONDS = 45
# Of processor time; below this a process has done nothing in STUCK_SECONDS, its watch not counted.
_IDLE_SECONDS = 2.0
EXIT = 4
_PERIOD = 1.0
_LINGER_SECONDS = 4.0
_FOLDER = "gmjax/watch/"

_watch: "_Watch | None" = None
_stops = False


def begin(client: Any, address: str, index: int, count: int, host: str) -> None:
    """From now on this process watches the others, and is watched."""
    global _watch
    _watch = _Watch(client, address, index, count, host)
    _watch.stops = _stops


def progress() -> None:
    """The work goes on; not if this process is about to end for another one."""
    if _watch is not None:
        _watch.hold()
        _watch.done += 1


@contextlib.contextmanager
def waiting() -> Iterator[None]:
    """Around waiting for other processes, which is not to be blamed on who waits."""
    if _watch is None:
        yield
        return
    _watch.hold()
    _watch.waits += 1
    try:
        yield
    finally:
        _watch.waits -= 1
        _watch.done += 1


def stop() -> None:
    """All processes shall stop at their next opportunity; safe in a signal handler."""
    global _stops
    _stops = True
    if _watch is not None:
        _watch.stops = True


def stops() -> bool:
    """Whether ``stop`` was called, here or in another process."""
    return _stops or (_watch is not None and _watch.stops)


def go_on() -> None:
    """Whoever asked to stop is answered."""
    global _stops
    _stops = False


def leave(error: BaseException) -> None:
    """This process ends with ``error``: the others are told, and given the time to hear it."""
    if _watch is not None:
        _watch.say_last(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)
        _watch.linger()


def wait_for_verdict() -> None:
    """The time in which the watch finds out who is dead, and ends this process."""
    if _watch is not None:
        time.sleep(SILENT_SECONDS + _LINGER_SECONDS)


def end() -> None:
    """The run is over."""
    global _watch
    if _watch is not None:
        _watch.stop()
        _watch = None


class _Watch:
    def __init__(self, client: Any, address: str, index: int, count: int, host: str):
        self.client, self.address, self.index, self.count, self.host = client, address, index, count, host
        self.done = self.waits = self.tick = 0
        self.stops = self.leaves = False
        self.last: str | None = None
        self.ended = threading.Event()
        self.main = threading.main_thread().ident or 0
        # For each process: (what it said, since when); (its work, its processor time, since when).
        self.heard: dict[int, tuple[str, float]] = {}
        self.worked: dict[int, tuple[int, float, float]] = {}
        self.witness: subprocess.Popen | None = None
        if index:
            command = [sys.executable, "-SE", str(Path(witness.__file__)), address, str(index)]
            self.witness = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
        self.thread = threading.Thread(target=self._run, name="gmjax-watch", daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.ended.set()
        self.thread.join(timeout=5)
        if self.witness is not None and self.witness.stdin is not None:
            with contextlib.suppress(OSError):
                self.witness.stdin.write(b"over\n")
                self.witness.stdin.close()

    def hold(self) -> None:
        if self.leaves:
            threading.Event().wait()

    def say_last(self, reason: str) -> None:
        self.last = reason
        with contextlib.suppress(Exception):  # whoever leads may be gone already
            self._say()

    def _run(self) -> None:
        while not self.ended.wait(_PERIOD):
            try:
                self._say()
                said = dict(self.client.key_value_dir_get(_FOLDER))
            except Exception:
                if not self.ended.is_set():
                    self._leave(f"{witness.of_the_first(self.address)}. {witness.GO_ON}")
                return
            blamed = self._blamed(said, time.monotonic())
            if blamed is not None and not self.ended.is_set():
                self._leave(blamed)

    def _say(self) -> None:
        self.tick += 1
        said = {
            "tick": self.tick,
            "done": self.done,
            "waits": bool(self.waits),
            "stop": self.stops,
            "cpu": time.process_time(),
            "host": self.host,
            "pid": os.getpid(),
            "where": self._where(),
            "last": self.last,
        }
        self.client.key_value_set(f"{_FOLDER}{self.index}", json.dumps(said), allow_overwrite=True)

    def _where(self) -> str:
        """Which line of gmjax the work is at."""
        frame = sys._current_frames().get(self.main)
        places = [
            f"{Path(f.filename).name}:{f.lineno}" for f in traceback.extract_stack(frame) if "gmjax" in f.filename
        ]
        return places[-1] if places else "its start"

    def _blamed(self, said: dict[str, str], now: float) -> str | None:
        for process in range(self.count):
            if process == self.index:
                continue
            text = said.get(f"{_FOLDER}{process}", "")
            if self.heard.get(process, (None, 0.0))[0] != text:
                self.heard[process] = text, now
            is_silent = now - self.heard[process][1] > SILENT_SECONDS
            report = json.loads(text) if text else None
            name = f"process {process} of {self.count}"
            if report is not None:
                name += f" ({report['host']}, pid {report['pid']})"
                if report["last"] is not None:
                    return f"{name} ended: {report['last']}"
                self.stops |= report["stop"]
            if is_silent:
                return f"{name} has said nothing for {SILENT_SECONDS} s: it died, or was stopped. {witness.GO_ON}"
            if report is None:
                continue
            done, cpu, since = self.worked.get(process, (-1, 0.0, now))
            if report["done"] != done or report["waits"] or report["cpu"] - cpu > _IDLE_SECONDS:
                self.worked[process] = report["done"], report["cpu"], now
            elif now - since > STUCK_SECONDS:
                return f"{name} has done nothing for {STUCK_SECONDS} s: it hangs at {report['where']}. {witness.GO_ON}"
        return None

    def _leave(self, blamed: str) -> None:
        self.leaves = True
        print(f"gmjax: process {self.index} of {self.count} ends, for {blamed}", file=sys.stderr, flush=True)
        self.stop_witness()
        self.linger()
        os._exit(EXIT)

    def linger(self) -> None:
        """With process 0 the store goes."""
        if self.index == 0:
            time.sleep(_LINGER_SECONDS)

    def stop_witness(self) -> None:
        if self.witness is not None:
            self.witness.kill()
