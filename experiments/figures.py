"""Figures that several experiments share."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gmjax import plotting


def grid_of_pictures(rows: Mapping[str, Sequence], columns: Sequence[str], side: float = 1.25) -> Figure:
    """Rows of pictures, labelled by their keys, under the titles ``columns``; ``side``: inches per picture."""
    figure = Figure(figsize=(side * len(columns) + 0.5, side * len(rows) + 0.35), layout="constrained")
    grid = figure.subplots(len(rows), len(columns), squeeze=False)
    for number, (places, (label, pictures)) in enumerate(zip(grid, rows.items(), strict=True)):
        for axes, picture, title in zip(places, pictures, columns, strict=True):
            plotting.draw_picture(axes, picture)
            if number == 0:
                axes.set_title(title, fontsize="small")
        places[0].text(
            -0.06, 0.5, label, rotation=90, ha="right", va="center", fontsize="small", transform=places[0].transAxes
        )
    return figure


def plain_axes(figure: Figure, *position, **options) -> Axes:
    """Axes with a light grid and without a frame above and to the right."""
    axes = figure.add_subplot(*position, **options)
    axes.grid(which="both", color="0.92", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    return axes
