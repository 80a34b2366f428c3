"""Compact files against other formats of equal bytes, all headers included.

JPEG, WebP, AVIF, JPEG 2000 and JPEG XL, each at its best quality, as it is or shrunk before and enlarged after. AVIF,
headerless, counts its data alone. BlurHash and ThumbHash for the smallest. Colour pictures are shrunk until the longer
side is 256 pixels; without --colors they are two of the public domain.

Command:   python -m experiments.compact [--also FOLDER] [--colors FOLDER]
Cost:      30 s on 2 cores for each face and size, up to 5 minutes for each colour picture and size
Expected:  on London faces ahead of all files with their headers up to some 700 bytes
"""

import dataclasses
from pathlib import Path

import numpy as np
import skimage.data
from matplotlib.figure import Figure

from experiments import collection, picture_files, placeholders, script
from experiments.cache import Cache
from experiments.figures import plain_axes
from experiments.picture_files import FORMATS, HEADERLESS
from experiments.progress import progress
from experiments.report import Report
from gmjax import compact
from gmjax.data import read_picture, resize
from gmjax.data.listing import list_pictures
from gmjax.errors import ArgumentError

OURS, BASED = "gmjax", "gmjax, base"
COLOR_SIDE = 256
# Up to how many bytes compact files are expected to be ahead.
MOST_AHEAD = 500


@dataclasses.dataclass(frozen=True)
class Config(collection.Options):
    sizes: tuple[int, ...] = (26, 40, 60, 90, 160, 290, 500, 700)
    """Sizes of files in bytes."""

    based: int = 300
    """Up to so many bytes, also with the published common face as base."""

    people: int | None = 3
    """Number of people from each collection, with one picture each; None: all."""

    colors: Path | None = None
    """A folder of colour pictures; None: an astronaut and a cup of coffee."""

    color_sizes: tuple[int, ...] = (26, 60, 90, 160, 400, 800)
    """Sizes of files of colour pictures in bytes."""


FULL = Config(people=None)


def run(config: Config, cached: Cache) -> Report:
    report = Report("Compact files")
    curves = {}
    for name, whole in collection.collections(config).items():
        faces = collection.one_per_person(whole, config.people)
        curves[name] = add_pictures(report, cached, name, faces.images, config.sizes, config.based)
    name, pictures = color_pictures(config.colors)
    curves[name] = add_pictures(report, cached, name, pictures, config.color_sizes, 0)
    report.figure("compact", draw(curves), "PSNR against bytes, headers included, but for AVIF, headerless")
    return report


def add_pictures(report: Report, cached: Cache, name: str, pictures, sizes: tuple[int, ...], based: int):
    """Adds the table, and returns the mean PSNR of each code (sizes,) with the sizes."""
    means = {OURS: mean_psnr(np.array([cached(our_errors, p, sizes, False) for p in shown(pictures, OURS)]))}
    few = tuple(size for size in sizes if size <= based)
    if few:
        found = mean_psnr(np.array([cached(our_errors, p, few, True) for p in shown(pictures, BASED)]))
        means[BASED] = np.pad(found, (0, len(sizes) - len(few)), constant_values=np.nan)
    for kind in (*FORMATS, HEADERLESS, *placeholders.KINDS):
        best_errors = (placeholders if kind in placeholders.KINDS else picture_files).best_errors
        errors = [cached(best_errors, p, kind, sizes) for p in shown(pictures, kind)]
        means[kind] = mean_psnr(np.array(errors))
    height, width = pictures[0].shape[:2]
    report.text(
        f"**{name}**, {len(pictures)} pictures, the first of {height} x {width}: mean PSNR in dB, by the most bytes of "
        "a file. A dash: for some picture no file is that small."
    )
    rows = [(code, *(float(value) for value in values)) for code, values in means.items()]
    report.table(("code", *(f"{size} bytes" for size in sizes)), rows)
    for kind in (*FORMATS, *placeholders.KINDS):
        both = [size for size, a, b in zip(sizes, means[OURS], means[kind], strict=True) if np.isfinite(a + b)]
        ahead = [size for size, a, b in zip(sizes, means[OURS], means[kind], strict=True) if a > b]
        claim = f"{name}: ahead of {kind} at {', '.join(map(str, both))} bytes"
        measured = f"at {', '.join(map(str, ahead))}" if ahead else "nowhere"
        few = [size for size in both if size <= MOST_AHEAD]
        report.compare(claim, f"up to {MOST_AHEAD}", measured, set(few) <= set(ahead), "see the table")
    return sizes, means


def our_errors(picture, sizes: tuple[int, ...], base: bool) -> list[float]:
    """The MSE of the compact file of each size; NaN where it is too small for a component."""
    return [error_of(picture, size, base) for size in sizes]


def error_of(picture, size: int, base: bool) -> float:
    try:
        found = compact.encode(picture, max_bytes=size, base=base)
    except ArgumentError:
        return np.nan
    assert len(found.content) <= size
    return 10 ** (-found.psnr / 10)


def mean_psnr(errors: np.ndarray) -> np.ndarray:
    """Over the pictures (n, sizes); NaN where one has none."""
    return np.mean(-10 * np.log10(errors), axis=0)


def shown(pictures, label: str):
    return progress(pictures, label=label, unit="picture")


def color_pictures(folder: Path | None) -> tuple[str, list[np.ndarray]]:
    """The pictures of ``folder`` and its name, or NASA's portrait of Eileen Collins and a cup of coffee by Rachel
    Michetti (CC0), from scikit-image."""
    if folder is None:
        return "colour", [
            shrunk(np.float32(picture) / 255) for picture in (skimage.data.astronaut(), skimage.data.coffee())
        ]
    return folder.name, [shrunk(read_picture(folder / entry.name, color=True)) for entry in list_pictures(folder)]


def shrunk(picture: np.ndarray) -> np.ndarray:
    scale = min(1.0, COLOR_SIDE / max(picture.shape[:2]))
    return resize(picture, tuple(round(scale * side) for side in picture.shape[:2]))


def draw(curves) -> Figure:
    figure = Figure(figsize=(4.6 * len(curves), 3.6), layout="constrained")
    for position, (name, (sizes, means)) in enumerate(curves.items(), start=1):
        axes = plain_axes(figure, 1, len(curves), position, title=name, xlabel="bytes", ylabel="PSNR, dB", xscale="log")
        for code, values in means.items():
            style = "o--" if code in (BASED, HEADERLESS) else "o-"
            axes.plot(sizes, values, style, label=code, linewidth=2 if code == OURS else 1, markersize=4)
        axes.set_xticks(sizes, [str(size) for size in sizes])
        axes.xaxis.minorticks_off()
        axes.legend(frameon=False, fontsize="small")
    return figure


if __name__ == "__main__":
    script.main("compact")
