"""What the commands share: refusals in plain words, progress bars, figures and the files of a run."""

import contextlib
import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import jax
import numpy as np
from tqdm import tqdm

from gmjax import parallel, runs
from gmjax.config import FitConfig
from gmjax.fitting import LAST_STEPS, FitResult
from gmjax.gmface import GmFace

DIVERGED = "the fit came to numbers that are NaN or infinite; try another --start or the default recipe"


class UsageError(ValueError):
    """Arguments that do not go together, or that the library refused; the text is for the person at the terminal."""


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """Around calls that take the person's own arguments: what the library says of these is for the person."""
    try:
        yield
    except (TypeError, ValueError) as error:
        # The library speaks of FitConfig.batch_size, the command line of --batch-size.
        options = re.sub(r"FitConfig\.(\w+)", lambda name: "--" + name[1].replace("_", "-"), str(error))
        raise UsageError(options.replace("--num-components", "--components")) from error


def progress(what: str, unit: str, total: int | None = None) -> tqdm:
    return tqdm(desc=what, unit=unit, total=total, disable=None, dynamic_ncols=True, leave=False)


def fit_with_progress(images, init: GmFace | None, config: FitConfig, seed: int) -> tuple[FitResult, float]:
    """One model for all ``images``, and the seconds it took."""
    begun = time.perf_counter()
    with progress("fitting", "step") as bar:

        def report(step: int, steps: int, loss: float) -> None:
            bar.total = steps
            bar.set_postfix_str(f"loss {loss:.4g}", refresh=False)
            bar.update(step - bar.n)

        result = parallel.fit_common(images, init, config=config, key=jax.random.key(seed), report=report)
        jax.block_until_ready(result)
    return result, time.perf_counter() - begun


def figures_of(result: FitResult) -> dict[str, float]:
    params, info = result.params, result.info
    return {
        "components": params.num_components,
        "parameters": params.num_parameters,
        "mse": float(info.mse),
        "pae": float(info.pae),
        "psnr": float(info.psnr),
    }


def line_of_figures(result: FitResult) -> str:
    figures = figures_of(result)
    return (
        f"{figures['components']} components, {figures['parameters']} parameters  MSE {figures['mse']:.3g}  "
        f"PAE {figures['pae']:.3g}  PSNR {figures['psnr']:.1f} dB"
    )


def write_metrics(folder: Path, metrics: dict[str, float]) -> None:
    runs.write_table(folder / runs.METRICS, tuple(metrics), [tuple(metrics.values())])


def write_loss(folder: Path, result: FitResult, config: FitConfig) -> None:
    from gmjax import plotting

    runs.write_table(folder / runs.LOSS, ("step", "loss"), enumerate(np.asarray(result.info.loss).tolist()))
    first_stage = len(result.info.loss) - LAST_STEPS if config.solver == "lm" else 0
    plotting.loss_figure(result.info.loss, first_stage).savefig(folder / "loss.png", dpi=150)


def model_metadata(config: FitConfig, shape: Sequence[int], source: str) -> dict[str, str]:
    return {"offset": str(config.offset), "height": str(shape[0]), "width": str(shape[1]), "source": source}


def say_skipped(count: int, total: int, folder: Path) -> None:
    if count:
        print(
            f"gmjax: {count} of {total} pictures left out, for the reasons in {folder / runs.SKIPPED}", file=sys.stderr
        )


def as_text(name: str | Path) -> str:
    """A file name as text, whatever bytes it has."""
    return os.fsencode(name).decode("utf-8", "replace")
