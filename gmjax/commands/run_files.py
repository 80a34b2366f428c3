"""The files that runs write: models with their figures in the header, tables and drawings."""

import hashlib
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gmjax.commands.terminal import SHOWN
from gmjax.data import Picture, Pictures
from gmjax.files import models
from gmjax.files.atomic import write_atomically
from gmjax.files.suffixes import require_suffix
from gmjax.files.tables import write_table
from gmjax.solvers.stages import FitResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MODEL, METRICS, SKIPPED, LOSS = "model.safetensors", "metrics.csv", "skipped.csv", "loss.csv"
COMMON_FACE, VIEW = "common_face.safetensors", "view.html"
DOUBTFUL, EYES = "doubtful.csv", "eyes.csv"
FIGURES = ("height", "width", "components", "parameters", "mse", "pae", "psnr")  # in model files and metrics.csv
FINGERPRINT = "picture_sha256"


def figures_of(result: FitResult, picture: Picture) -> dict[str, int | float]:
    params, info = result.params, result.info
    errors = map(float, (info.mse, info.pae, info.psnr))
    values = (*picture.shape[:2], params.num_components, params.num_parameters, *errors)
    return dict(zip(FIGURES, values, strict=True))


def save_model(path: Path, result: FitResult, picture: Picture, source: str | Path, **more: str) -> None:
    figures = {name: str(value) for name, value in figures_of(result, picture).items()}
    metadata = {**more, **figures, FINGERPRINT: fingerprint(picture), "source": as_text(source)}
    models.save(path, result.params, metadata)


def fingerprint(picture: Picture) -> str:
    """A hash of the picture with 8 bits: the same for the picture.png of a run folder."""
    pixels = np.round(np.clip(picture, 0, 1) * 255).astype(np.uint8)
    return hashlib.sha256(str(pixels.shape).encode() + pixels.tobytes()).hexdigest()


def write_skipped(folder: Path, pictures: Pictures, skipped: Mapping[int, str]) -> None:
    """The name and the reason of each skipped picture; no file if there are none."""
    if skipped:
        reasons = [(pictures.name(number), reason) for number, reason in skipped.items()]
        write_table(folder / SKIPPED, ("picture", "reason"), reasons)


def skipped_lines(folder: Path, pictures: Pictures, skipped: Mapping[int, str]) -> list[str]:
    """What a run says of its skipped pictures."""
    if not skipped:
        return []
    lines = [f"{len(skipped)} of {len(pictures)} are skipped, all listed in {folder / SKIPPED}:"]
    lines += [f"  {pictures.name(number)}: {skipped[number]}" for number in list(skipped)[:SHOWN]]
    return lines + ["  ..."] * (len(skipped) > SHOWN)


def write_result(
    folder: Path,
    result: FitResult,
    picture: Picture,
    source: str,
    seconds: float,
    *,
    more: Mapping[str, float] | None = None,
    header: Mapping[str, str] | None = None,
) -> dict[str, int | float]:
    """The model with ``header`` in its file, the loss of each step, and the figures with ``more`` before them; returns
    the figures."""
    from gmjax import plotting

    save_model(folder / MODEL, result, picture, source, **(header or {}))
    figures = figures_of(result, picture)
    metrics = {**(more or {}), **figures, "seconds": round(seconds, 2)}
    write_table(folder / METRICS, tuple(metrics), [tuple(metrics.values())])
    loss = result.info.loss
    rows = [(stage, *row) for stage in loss for row in enumerate(np.asarray(loss[stage]).tolist())]
    write_table(folder / LOSS, ("stage", "step", "loss"), rows)
    write_figure(folder / "loss.png", plotting.loss_figure(loss))
    return figures


def write_figure(path: Path, figure: "Figure") -> None:
    """In the format that the suffix names. Raises ArgumentError for an unknown one, OSError if it cannot be written."""
    require_suffix(path, [f".{kind}" for kind in figure.canvas.get_supported_filetypes()])
    content = io.BytesIO()
    figure.savefig(content, format=path.suffix.lower()[1:], dpi=150)
    write_atomically(path, content.getvalue())


def as_text(name: str | Path) -> str:
    """A file name as text, whatever bytes it has."""
    return os.fsencode(name).decode("utf-8", "replace")
