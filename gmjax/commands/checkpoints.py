"""Where a long run stands, kept on disk by Orbax: whole or not at all, whenever the run ends."""

import logging
import shutil
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from flax import traverse_util

SECONDS = 30.0
_ARRAYS = "arrays.npz"


class Checkpoints:
    """Numbered states in ``folder``, the last two kept; each is a dict of arrays, or of dicts of them.

    Every process has its own: none waits for another. ``seconds``: how long after one the next is due.
    """

    def __init__(self, folder: Path, seconds: float = SECONDS):
        folder.mkdir(parents=True, exist_ok=True)
        mine = jax.process_index()
        alone = ocp.options.MultiprocessingOptions(
            primary_host=mine, active_processes={mine}, barrier_sync_key_prefix=f"gmjax{mine}"
        )
        options = ocp.CheckpointManagerOptions(
            max_to_keep=2,
            create=False,
            enable_async_checkpointing=False,
            cleanup_tmp_directories=True,
            multiprocessing_options=alone,
        )
        self._manager = ocp.CheckpointManager(folder.absolute(), options=options, item_handlers=_Arrays())
        self._seconds, self._last = seconds, time.monotonic()
        self.folder = folder

    def due(self) -> bool:
        return time.monotonic() - self._last >= self._seconds

    def save(self, number: int, content: dict[str, Any]) -> None:
        """Raises OSError where it cannot be written; what was saved before stays."""
        if number not in self._manager.all_steps():
            log = logging.getLogger("absl")  # where Orbax shows whole tracebacks
            level = log.level
            log.setLevel(logging.CRITICAL)
            try:
                self._manager.save(number, args=_Save(content))
            except OSError as error:
                raise OSError(
                    f"{self.folder} cannot be written to ({error.strerror}): make room, and the same command goes on "
                    "from what was saved before"
                ) from error
            finally:
                log.setLevel(level)
        self._last = time.monotonic()

    def latest(self) -> tuple[int, dict[str, Any]] | None:
        """(number, content) of the newest state, or None.

        Raises:
            OSError: it cannot be read.
        """
        number = self._manager.latest_step()
        if number is None:
            return None
        try:
            return number, self._manager.restore(number, args=_Restore())
        except Exception as error:  # what a damaged file makes NumPy or Orbax raise is not for callers to know
            raise OSError(
                f"{self.folder / str(number)} cannot be read ({error}): remove it to go on from an earlier state, or "
                "begin anew with --overwrite"
            ) from error

    def close(self) -> None:
        self._manager.close()

    def remove(self) -> None:
        self.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class _Arrays(ocp.CheckpointHandler):
    """Of any process: Orbax's own handlers write NumPy arrays of process 0 only."""

    def save(self, directory, args):
        np.savez(directory / _ARRAYS, **traverse_util.flatten_dict(args.content, sep="/"))

    def restore(self, directory, args):
        with np.load(directory / _ARRAYS, allow_pickle=False) as arrays:
            return traverse_util.unflatten_dict(dict(arrays), sep="/")


@ocp.args.register_with_handler(_Arrays, for_save=True)
class _Save(ocp.args.CheckpointArgs):
    def __init__(self, content: dict[str, Any]):
        self.content = content


@ocp.args.register_with_handler(_Arrays, for_restore=True)
class _Restore(ocp.args.CheckpointArgs):
    pass
