"""The files that runs write: models with their figures in the header, pictures, tables and drawings."""

import hashlib
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gmjax.commands.run_folder import LOSS, METRICS, SKIPPED, Run
from gmjax.commands.tables import write_table
from gmjax.commands.terminal import notice
from gmjax.data import Picture
from gmjax.errors import ArgumentError
from gmjax.files import models
from gmjax.files.atomic import write_atomically
from gmjax.solvers.stages import FitResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURES = ("height", "width", "components", "parameters", "mse", "pae", "psnr")
"""The figures of a fit, in the header of its model file and in metrics.csv."""
FINGERPRINT = "picture_sha256"


def figures_of(result: FitResult, picture: Picture) -> dict[str, int | float]:
    params, info = result.params, result.info
    values = (
        *picture.shape[:2],
        params.num_components,
        params.num_parameters,
        *map(float, (info.mse, info.pae, info.psnr)),
    )
    return dict(zip(FIGURES, values, strict=True))


def save_model(path: Path, result: FitResult, picture: Picture, source: str | Path) -> None:
    """The fitted model, with the figures of the fit, which picture it was fitted to, and where that came from."""
    figures = {name: str(value) for name, value in figures_of(result, picture).items()}
    metadata = {**figures, FINGERPRINT: fingerprint(picture), "source": as_text(source)}
    models.save(path, result.params, metadata)


def fingerprint(picture: Picture) -> str:
    """A hash of the picture with 8 bits: the same for the picture.png of a run folder."""
    pixels = np.round(np.clip(picture, 0, 1) * 255).astype(np.uint8)
    return hashlib.sha256(str(pixels.shape).encode() + pixels.tobytes()).hexdigest()


def write_metrics(run: Run, metrics: dict[str, int | float]) -> None:
    write_table(run.folder / METRICS, tuple(metrics), [tuple(metrics.values())])


def write_skipped(run: Run, skipped: Sequence[tuple[str, str]], total: int) -> None:
    """The (name, reason) of each skipped picture; no file if there are none."""
    if skipped:
        write_table(run.folder / SKIPPED, ("picture", "reason"), skipped)
        notice(f"{len(skipped)} of {total} pictures are skipped; the reasons are in {run.folder / SKIPPED}")


def write_loss(run: Run, result: FitResult) -> None:
    """The loss of each step, as a table and as a drawing."""
    from gmjax import plotting

    rows = (
        (stage, *row) for stage, losses in result.info.loss.items() for row in enumerate(np.asarray(losses).tolist())
    )
    write_table(run.folder / LOSS, ("stage", "step", "loss"), rows)
    write_figure(run.folder / "loss.png", plotting.loss_figure(result.info.loss))


def write_figure(path: Path, figure: "Figure") -> None:
    """In the format that the suffix names. Raises ArgumentError for an unknown one, OSError if it cannot be written."""
    known, suffix = figure.canvas.get_supported_filetypes(), path.suffix.lower().lstrip(".")
    if suffix not in known:
        raise ArgumentError(
            str(path), f"has an unknown suffix; use one of {' '.join(f'.{name}' for name in sorted(known))}"
        )
    content = io.BytesIO()
    figure.savefig(content, format=suffix, dpi=150)
    write_atomically(path, content.getvalue())


def as_text(name: str | Path) -> str:
    """A file name as text, whatever bytes it has."""
    return os.fsencode(name).decode("utf-8", "replace")
