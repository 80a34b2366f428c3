"""A course of fitting followed to its end: reported, saved as it goes, and gone on with where it was saved."""

import time
from typing import Any

import jax
import numpy as np

from gmjax.commands.checkpoints import Checkpoints
from gmjax.commands.run_folder import Run
from gmjax.commands.shared import progress, say_going_on
from gmjax.parallel import Course, processes, watch
from gmjax.parallel.processes import Stopped
from gmjax.solvers.fitting import FitResult


def followed(course: Course, run: Run, *, save_every: float, shared: bool) -> tuple[FitResult | None, float]:
    """(the result, the seconds it took), on process 0; ``shared``: all processes work on it, and all get it.

    Raises:
        Stopped: what it came to is saved.
        NonFiniteLossError: as ``Course.run``.
    """
    if not (shared or processes.is_first()):
        return None, 0.0
    checkpoints = Checkpoints(run.checkpoints / "fit", save_every)
    first, state, losses, seconds = _restored(course, checkpoints)
    if shared:
        processes.together()
    if first and processes.is_first():
        say_going_on(run, len(losses), course.steps, "steps are done")
    begun = time.perf_counter() - seconds
    with progress("fitting", "step", course.steps) as bar:
        bar.update(len(losses))
        for number, so_far in course.run(state, [losses], first):
            state, losses = so_far
            watch.progress()
            bar.set_postfix_str(f"loss {losses[-1]:.4g}", refresh=False)
            bar.update(len(losses) - bar.n)
            # In step: all stop, and save, after the same part.
            stops = watch.stops() if not shared else processes.from_first(str(int(watch.stops()))) == "1"
            if processes.is_first() and (stops or checkpoints.due()):
                leaves = {str(place): leaf for place, leaf in enumerate(jax.tree.leaves(state))}
                seconds = time.perf_counter() - begun
                checkpoints.save(number, {"state": leaves, "losses": losses, "seconds": np.float64(seconds)})
            if stops:
                raise Stopped
    checkpoints.close()
    result = jax.block_until_ready(course.finish(state, losses))
    return result, time.perf_counter() - begun


def _restored(course: Course, checkpoints: Checkpoints) -> tuple[int, Any, np.ndarray, float]:
    """(parts done, state, losses so far, seconds so far)."""
    latest = checkpoints.latest()
    if latest is None:
        return 0, course.state(0), np.zeros(0, np.float32), 0.0
    number, content = latest
    leaves, structure = jax.tree.flatten(course.state(number))
    leaves = [content["state"][str(place)] for place in range(len(leaves))]
    return number, jax.tree.unflatten(structure, leaves), content["losses"], float(content["seconds"])
