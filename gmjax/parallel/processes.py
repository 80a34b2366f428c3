"""Several processes, on one machine or many: started by JAX's own runtime, in step with each other, ended together.

Everything here works in a single process too, where it does nothing.
"""

import contextlib
import itertools
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from jax._src import distributed  # its client has no public name; Orbax takes it from here too
from jax.experimental import multihost_utils

from gmjax.parallel import watch

# JAX's own: longer than the watch's patience, for the watch says which process it was.
_HEARTBEAT_SECONDS = 100
START_SECONDS = 300
NOTICE_SECONDS = 15
_THREE = "--coordinator, --processes and --process"
# All come to the end together; who leaves by an error must not wait long for the others.
_SHUTDOWN_SECONDS = 10
_WAIT_MS = 1000
_calls = itertools.count()


class Stopped(Exception):
    """The run was asked to stop, and has saved what it came to; ``together``: the others know."""

    together = False


def start(coordinator: str | None = None, count: int | None = None, index: int | None = None) -> None:
    """Joins the processes of a run, before anything touches a device.

    JAX finds the others itself on Cloud TPU, Slurm, Open MPI and Kubernetes; elsewhere ``coordinator`` is the address
    ``host:port`` of process 0, ``count`` how many processes there are, and ``index`` which one this is.

    Raises:
        ValueError: some of the three are missing or cannot be, or nothing here tells JAX of the others.
        ConnectionError: the others did not come within five minutes.
    """
    given = (coordinator, count, index)
    if any(value is None for value in given) and any(value is not None for value in given):
        raise ValueError(f"{_THREE} go together: give all three, or none where JAX knows them")
    if count is not None and index is not None and not 0 <= index < count:
        raise ValueError(f"--process must be from 0 to {count - 1}, of {count} processes; got {index}")
    if coordinator is not None and not _is_address(coordinator):
        raise ValueError(f"--coordinator must be HOST:PORT of process 0, the port at most 65535; got {coordinator}")
    method = None if coordinator is None else "deactivate"
    jax.config.update("jax_enable_preemption_service", False)  # SIGTERM is for the run to answer
    where = "" if coordinator is None else f", process {index} of {count}, with process 0 at {coordinator}"
    try:
        _in_patience(
            lambda: jax.distributed.initialize(
                coordinator,
                count,
                index,
                cluster_detection_method=method,
                initialization_timeout=2 * START_SECONDS,  # ours is over before, and without a crash
                heartbeat_timeout_seconds=_HEARTBEAT_SECONDS,
                shutdown_timeout_seconds=_SHUTDOWN_SECONDS,
            ),
            f"the other processes of this run{where}",
        )
    except ValueError as error:
        raise ValueError(f"nothing here tells JAX of other processes ({error}): give {_THREE}") from error
    except RuntimeError as error:
        raise ConnectionError(f"the processes of this run did not come together{where}: {error}") from error
    address = str(distributed.global_state.coordinator_address)
    watch.begin(_client(), address, jax.process_index(), jax.process_count(), socket.gethostname())


def _in_patience(join: Callable[[], None], whom: str) -> None:
    """``join()``, on a thread, so that this one can say what it waits for, and be interrupted.

    Raises ConnectionError when it takes too long, Stopped when asked to stop, and what ``join`` raises.
    """
    failed: list[Exception] = []

    def try_to_join() -> None:
        try:
            join()
        except Exception as error:
            failed.append(error)

    joining = threading.Thread(target=try_to_join, daemon=True)
    joining.start()
    begun, said = time.monotonic(), 0.0
    while joining.is_alive():
        joining.join(0.2)
        waited = time.monotonic() - begun
        if watch.stops():
            raise Stopped
        if waited > START_SECONDS:
            raise ConnectionError(
                f"{waited:.0f} s were not enough for {whom}: start all of them within that time, each with its own "
                "number, and see that the address can be reached from all of them"
            )
        if waited - said > NOTICE_SECONDS:
            said = waited
            print(f"gmjax: waiting for {whom}; {START_SECONDS - waited:.0f} s at most", file=sys.stderr, flush=True)
    if failed:
        raise failed[0]


def _is_address(text: str) -> bool:
    host, _, port = text.rpartition(":")
    return bool(host) and port.isdecimal() and 0 < int(port) < 2**16


def index() -> int:
    return jax.process_index()


def count() -> int:
    return jax.process_count()


def is_first() -> bool:
    """Whether this is the process that writes what all have in common."""
    return jax.process_index() == 0


def from_first(text: str) -> str:
    """Process 0's ``text``, on all of them."""
    return from_each(text if is_first() else "")[0]


def from_each(text: str) -> list[str]:
    """The ``text`` of each process, on all of them; no one goes on before all have come here.

    Raises Stopped where one of them has stopped.
    """
    return _exchanged(text, "=")


def stop_together() -> None:
    """This process has stopped: it waits for the others to do so too, or to come to where they wait for it."""
    with contextlib.suppress(Stopped):
        _exchanged("", "!")


def _exchanged(text: str, kind: str) -> list[str]:
    if count() == 1:
        return [text]
    client, call = _client(), next(_calls)
    with watch.waiting():
        client.key_value_set(f"gmjax/call/{call}/{index()}", f"{kind}{text}")
        texts = [_asked_for(f"gmjax/call/{call}/{process}") for process in range(count())]
        if call:
            # Whoever has set the text of this call has read those of the last one.
            client.key_value_delete(f"gmjax/call/{call - 1}/{index()}")
    if any(text.startswith("!") for text in texts):
        error = Stopped()
        error.together = True
        raise error
    return [text[1:] for text in texts]


def _client() -> Any:
    return distributed.global_state.client


def _asked_for(key: str) -> str:
    """Asked for again and again: in between Python may answer signals."""
    while True:
        try:
            return _client().blocking_key_value_get(key, _WAIT_MS)
        except jax.errors.JaxRuntimeError as error:
            if "DEADLINE_EXCEEDED" not in str(error):
                raise


def together() -> None:
    """No process goes on before all have come here."""
    from_each("")


def share_of(total: int) -> np.ndarray:
    """Which of the numbers below ``total`` are this process's work; the last one several's, where that fills up."""
    rows = -(-total // count())
    return np.minimum(np.arange(rows) * count() + index(), total - 1)


def gathered(share: Any, total: int) -> Any:
    """What all processes made of their ``share_of(total)``, on each of them: NumPy arrays (total, ...), in order.

    ``share``: a pytree of arrays (n, ...), of the same shapes on every process. All have as many devices.
    """
    together()
    every = multihost_utils.process_allgather(share)
    return jax.tree.map(lambda leaf: np.swapaxes(leaf, 0, 1).reshape(-1, *leaf.shape[2:])[:total], every)


@contextlib.contextmanager
def ending_together() -> Iterator[None]:
    """Around a run: whoever leaves it by an error takes the others along, with the reason."""
    try:
        yield
        together()
        if jax.distributed.is_initialized():
            watch.end()
            jax.distributed.shutdown()
    except jax.errors.JaxRuntimeError:
        # Most likely what is left of a sum over processes, one of which is gone: the watch knows which.
        watch.wait_for_verdict()
        raise
    except BaseException as error:
        watch.leave(error)
        raise
    finally:
        watch.end()


@contextlib.contextmanager
def joined(coordinator: str | None, count: int | None, index: int | None, distributed: bool) -> Iterator[None]:
    """Placeholder until the redesigned processes.py is merged."""
    from gmjax.errors import ArgumentError

    if not distributed and (coordinator, count, index) != (None, None, None):
        raise ArgumentError(_THREE, "require --distributed")
    if distributed:
        try:
            start(coordinator, count, index)
        except ValueError as error:
            raise ArgumentError("--distributed", str(error)) from error
    with ending_together():
        yield


allgather, barrier = from_each, together


def leave(status: int) -> int:
    """``status``; but a process that left ``ending_together`` by an error exits here and now.

    JAX would wait for the others, which are ending too, and then abort.
    """
    if jax.distributed.is_initialized():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    return status
