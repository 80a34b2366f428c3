"""What the command says while it works: progress bars and notices, by process 0 only."""

import contextlib
import math
import os
import sys
import threading
from collections.abc import Iterator

import jax
from tqdm import tqdm

from gmjax.commands.printing import escaped
from gmjax.errors import ArgumentError
from gmjax.parallel import processes
from gmjax.solvers.config import FitConfig
from gmjax.solvers.levenberg_marquardt import spare_slots

_TERMS_PER_SECOND = {"adam": 3e9, "lm": 6e8}  # on two CPU cores
_LONG_SECONDS = 120
SHOWN = 3  # of the skipped pictures, so many are named in the output


def progress(label: str, unit: str, total: int | None = None) -> tqdm:
    """A progress bar on standard error, shown only if that is a terminal."""
    disable = None if processes.is_first() else True
    return tqdm(desc=label, unit=unit, total=total, disable=disable, dynamic_ncols=True, leave=False)


@contextlib.contextmanager
def progress_of_long_parts(label: str, unit: str) -> Iterator[tqdm]:
    """As ``progress``; the clock of the bar goes on while one part takes minutes."""
    ended = threading.Event()
    with progress(label, unit) as bar:

        def refresh() -> None:
            while not ended.wait(1.0):
                bar.refresh()

        thread = threading.Thread(target=refresh, daemon=True)
        if not bar.disable:
            thread.start()
        try:
            yield bar
        finally:
            ended.set()
            if thread.is_alive():
                thread.join()


def notice(text: str) -> None:
    """A line on standard error."""
    if processes.is_first():
        print(f"gmjax: {escaped(text)}", file=sys.stderr, flush=True)


def warn_before_fit(config: FitConfig, shape: tuple[int, ...], steps: int | None) -> None:
    """Says so if a fit to a picture of ``shape`` (H, W[, C]) has more parameters than numbers to fit, or takes long.

    Raises ArgumentError if the matrices of "lm" do not fit into memory: running out of it may end the process at once.
    """
    m, (height, width, *channels) = config.num_components, shape
    parameters, numbers = m * (5 + math.prod(channels)), math.prod(shape)
    grown = (m + spare_slots(m, steps or 0)) * (5 + math.prod(channels))
    needed = 4 * grown * (grown + height * width) if config.solver == "lm" else 0
    if needed > (memory := _memory()):
        problem = f"{m} with the solver lm needs {needed / 1e9:.0f} GB of memory, and there are {memory / 1e9:.0f}"
        raise ArgumentError("FitConfig.num_components", f"{problem}: use fewer, or --solver adam")
    if parameters > numbers:
        notice(f"{m} components have {parameters} parameters, more than the {numbers} numbers of a picture: use fewer")
    seconds = m * height * width * (steps or 0) / _TERMS_PER_SECOND[config.solver]
    if seconds > _LONG_SECONDS:
        remedy = "fewer --components, fewer --steps or a smaller --size take less"
        notice(f"the fit takes about {seconds / 60:.0f} minutes on two CPU cores; {remedy}")


def _memory() -> float:
    """Bytes of the first device, or of this machine; infinite where nothing tells."""
    if limit := (jax.local_devices()[0].memory_stats() or {}).get("bytes_limit"):
        return limit
    if not hasattr(os, "sysconf"):
        return math.inf
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
