"""Several processes of one run, on one machine or many, by JAX's own runtime; or a single process.

The runtime's heartbeats end all processes in less than a minute when one is lost. Its preemption sync points make all
of them stop when one gets SIGTERM.
"""

import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from gmjax.errors import ArgumentError, GmjaxError

HEARTBEAT_SECONDS = 20
START_SECONDS = 300
NOTICE_SECONDS = 15

_stop = threading.Event()
# Since when, and how many seconds of it have been asked about.
_begun, _seconds = time.monotonic(), 0


class Stopped(GmjaxError):
    """The run was asked to stop (SIGTERM), and has saved its progress."""


@contextlib.contextmanager
def joined(
    distributed: bool = False,
    coordinator: str | None = None,
    num_processes: int | None = None,
    process_id: int | None = None,
) -> Iterator[None]:
    """Around a whole run, before anything touches a device; with ``distributed`` the other processes join it.

    JAX finds the others itself on Cloud TPU, Slurm, Open MPI and Kubernetes. Elsewhere ``coordinator`` is the address
    ``host:port`` of process 0. Raises ArgumentError, and GmjaxError if the others do not come in five minutes.
    """
    if not distributed and (coordinator, num_processes, process_id) != (None, None, None):
        raise ArgumentError("distributed", "is needed with --coordinator, --processes and --process")
    with _stopping_at_sigterm():
        if distributed:
            _start(coordinator, num_processes, process_id)
        stopped = None
        try:
            yield
        except Stopped as error:
            stopped = error
        except jax.errors.JaxRuntimeError:
            if count() > 1:
                # Most likely another process is lost: the runtime will say which, and end this one.
                time.sleep(2 * HEARTBEAT_SECONDS)
            raise
        if jax.distributed.is_initialized():
            barrier("end of the run")
            jax.distributed.shutdown()
        if stopped is not None:
            raise stopped


def leave(status: int) -> int:
    """``status``; a process that left ``joined`` by an error exits at once, which ends the others, without waiting."""
    if jax.distributed.is_initialized():
        time.sleep(1)  # in which the others print the same error, before the loss of process 0 ends them
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    return status


def index() -> int:
    return jax.process_index()


def count() -> int:
    return jax.process_count()


def is_first() -> bool:
    return index() == 0


def stop_noticed() -> bool:
    """Whether any process was asked to stop by SIGTERM, as far as is known here, without waiting for the others.

    For loops of unequal work: all processes leave them within seconds, and then call ``stop_requested`` once.
    """
    global _seconds
    # A preemption sync point is a step that no process has passed, and that all will pass: here, seconds of the run.
    while count() > 1 and not _stop.is_set() and _seconds < time.monotonic() - _begun:
        _seconds += 1
        if multihost_utils.reached_preemption_sync_point(_seconds):
            _stop.set()
    return _stop.is_set()


def stop_requested() -> bool:
    """Whether any process was asked to stop, the same on all: they wait here, and must call it equally often."""
    noticed = stop_noticed()
    if count() > 1 and multihost_utils.process_allgather(np.array(noticed)).any():
        _stop.set()
    return _stop.is_set()


def require_running() -> None:
    """Raises Stopped if ``stop_requested``; what there is to save has been saved."""
    if stop_requested():
        raise Stopped


def barrier(name: str) -> None:
    """No process continues before all have come here."""
    if count() > 1:
        multihost_utils.sync_global_devices(name)


def broadcast(value: Any) -> Any:
    """Process 0's ``value``, as JSON has it, on all processes."""
    return json.loads(allgather(json.dumps(value if is_first() else None))[0])


def allgather(text: str) -> list[str]:
    """The ``text`` of each process, on all of them."""
    if count() == 1:
        return [text]
    content = np.frombuffer(text.encode("utf-8", "surrogateescape"), np.uint8)
    lengths = multihost_utils.process_allgather(np.array([len(content)], np.int32)).reshape(-1)
    padded = np.pad(content, (0, int(lengths.max()) + 1 - len(content)))
    rows = np.asarray(multihost_utils.process_allgather(padded)).reshape(count(), -1)
    contents = [bytes(row[:length].astype(np.uint8)) for row, length in zip(rows, lengths, strict=True)]
    return [content.decode("utf-8", "surrogateescape") for content in contents]


def _start(coordinator: str | None, num_processes: int | None, process_id: int | None) -> None:
    others = "the other processes of this run"
    if coordinator is not None and num_processes is not None and process_id is not None:
        others += f", process {process_id} of {num_processes}, with process 0 at {coordinator}"
        if not 0 <= process_id < num_processes:
            raise ArgumentError("process", f"must be from 0 to --processes - 1; got {process_id} of {num_processes}")
        host, _, port = coordinator.rpartition(":")
        if not (host and port.isdecimal() and 0 < int(port) < 2**16):
            raise ArgumentError("coordinator", f"must be HOST:PORT of process 0, a port up to 65535; got {coordinator}")
    elif (coordinator, num_processes, process_id) != (None, None, None):
        raise ArgumentError("coordinator", "goes with --processes and --process: give all three, or none")
    failed: list[Exception] = []

    def connect() -> None:
        try:
            jax.distributed.initialize(
                coordinator,
                num_processes,
                process_id,
                cluster_detection_method=None if coordinator is None else "deactivate",
                initialization_timeout=2 * START_SECONDS,  # ours ends earlier, and without a crash
                heartbeat_timeout_seconds=HEARTBEAT_SECONDS,
                shutdown_timeout_seconds=10,
            )
        except Exception as error:
            failed.append(error)

    # On a thread, so that this one can say what it waits for, and can be interrupted.
    connecting = threading.Thread(target=connect, daemon=True)
    connecting.start()
    begun, said = time.monotonic(), 0.0
    while connecting.is_alive():
        connecting.join(0.2)
        waited = time.monotonic() - begun
        if _stop.is_set():
            raise Stopped
        if waited > START_SECONDS:
            raise GmjaxError(f"{waited:.0f} s were not enough for {others}: start all, each with its own number")
        if waited - said > NOTICE_SECONDS:
            said = waited
            print(f"gmjax: waiting for {others}; {START_SECONDS - waited:.0f} s at most", file=sys.stderr, flush=True)
    for error in failed:
        remedy = "give --coordinator, --processes and --process where JAX does not find the others itself"
        raise GmjaxError(f"{others} did not come together ({error}): {remedy}") from error
    barrier("start")  # connects all devices now: later, one process may be too late for the first sum
    global _begun, _seconds
    _begun, _seconds = time.monotonic(), 0


@contextlib.contextmanager
def _stopping_at_sigterm() -> Iterator[None]:
    """SIGTERM sets the stop flag; a second one ends the process. With several processes JAX takes over when joined."""
    _stop.clear()
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number, frame):
        _stop.set()
        signal.signal(signal.SIGTERM, before)
        print("gmjax: SIGTERM: saving, then leaving", file=sys.stderr, flush=True)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
