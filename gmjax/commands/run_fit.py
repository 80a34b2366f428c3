"""A prepared fit, run with a progress bar and checkpoints, so that it can be stopped and resumed."""

import time
from pathlib import Path

import jax
import numpy as np

from gmjax.commands.run_folder import CHECKPOINTS
from gmjax.commands.terminal import notice, progress
from gmjax.errors import DivergedError
from gmjax.files.checkpoints import load_checkpoint, save_checkpoint
from gmjax.parallel import processes
from gmjax.solvers.stages import FitResult, Position, PreparedFit, require_finite

DIVERGED = "the fit diverged (NaN or infinity): try another --start, or the default recipe"


def run_fit(prepared: PreparedFit, folder: Path, *, save_every: float) -> tuple[FitResult, float]:
    """The result, and the seconds that it took, interruptions not counted. All processes of a run do this together.

    Raises Stopped if the run was asked to stop, with its progress saved, and DivergedError if the fit diverged.
    """
    path = folder / CHECKPOINTS / "fit.npz"
    start, seconds = _restored(prepared, path)
    processes.barrier("checkpoint read")  # before process 0 replaces it
    if start is not None:
        notice(f"{folder} is resumed: {_steps_done(start)} of {prepared.steps} steps are done")
    began, saved = time.perf_counter() - seconds, time.perf_counter()
    with progress("fitting", "step", prepared.steps) as bar:
        bar.update(_steps_done(start))
        position = start
        for position in prepared.run(start):
            require_finite(position)
            bar.set_postfix_str(f"loss {position.losses[-1][-1]:.4g}", refresh=False)
            bar.update(_steps_done(position) - bar.n)
            stop, now = processes.stop_requested(), time.perf_counter()
            if processes.is_first() and (stop or now - saved >= save_every):
                _save(path, position, now - began)
                saved = now
            if stop:
                raise processes.Stopped
    assert position is not None
    result = jax.block_until_ready(prepared.result(position))
    require_no_divergence(result)
    return result, time.perf_counter() - began


def require_no_divergence(result: FitResult) -> None:
    if bool(result.info.diverged):
        raise DivergedError(DIVERGED)


def _steps_done(position: Position | None) -> int:
    return 0 if position is None else sum(map(len, position.losses))


def _save(path: Path, position: Position, seconds: float) -> None:
    leaves = {f"state/{place}": leaf for place, leaf in enumerate(jax.device_get(jax.tree.leaves(position.state)))}
    losses = {f"losses/{place}": part for place, part in enumerate(position.losses)}
    numbers = {"stage": np.array(position.stage), "step": np.array(position.step), "seconds": np.array(seconds)}
    save_checkpoint(path, {**numbers, **leaves, **losses})


def _restored(prepared: PreparedFit, path: Path) -> tuple[Position | None, float]:
    arrays = load_checkpoint(path)
    if not arrays:
        return None, 0.0
    leaves, losses = ([arrays[name] for name in arrays if name.startswith(kind)] for kind in ("state/", "losses/"))
    return prepared.restore(int(arrays["stage"]), int(arrays["step"]), leaves, losses), float(arrays["seconds"])
