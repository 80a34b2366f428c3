"""Pictures of models: a ``..._figure`` is a matplotlib ``Figure``; the ``draw_...`` functions draw into given axes.

Nothing here touches pyplot or any global state of matplotlib, and ``import gmjax`` does not import this module.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Array, Float

from gmjax.errors import missing_extra
from gmjax.gmface import GmFace, Model, render, strengths
from gmjax.losses import mse, pae, psnr

try:
    from matplotlib.axes import Axes
    from matplotlib.collections import LineCollection
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.offsetbox import AnnotationBbox, OffsetImage
    from mpl_toolkits.mplot3d import Axes3D
except ImportError as error:
    raise missing_extra("cli", "Drawing figures") from error

Pictures = Float[Array, "n h w *c"] | Float[np.ndarray, "n h w *c"]
Picture = Float[Array, "h w *c"] | Float[np.ndarray, "h w *c"]

POSITIVE, NEGATIVE = "#c8423b", "#2a6db0"
_STAGES = {"least_squares": ("MSE", POSITIVE), "adam": ("MSE + λ PAE", NEGATIVE)}
_STAGES |= {"corresponding": ("MSE + distance from the start", NEGATIVE)}


def fit_figure(image: Picture, params: Model) -> Figure:
    """The picture (H, W[, 3]) in [0, 1], the model's render, their difference, and the model's components.

    Raises ArgumentError where only one of the two is gray.
    """
    drawn = render(params, image.shape[:2])
    errors = f"PSNR {psnr(drawn, image):.1f} dB    MSE {mse(drawn, image):.3g}    largest error {pae(drawn, image):.3g}"
    figure, axes = _panels(4, image.shape)
    draw_picture(axes[0], image, "picture")
    draw_picture(axes[1], drawn, "model")
    draw_difference(axes[2], np.asarray(drawn) - np.asarray(image), "model \N{MINUS SIGN} picture")
    _ellipses(axes[3], params, image)
    figure.suptitle(f"{errors}    {_size(params)}", fontsize="medium")
    return figure


def common_figure(params: Model, average: Picture) -> Figure:
    """The common face, the ``average`` (H, W) or (H, W, 3) of all faces, and their difference (the paper's Fig. 8)."""
    drawn = render(params, average.shape[:2])
    errors = f"MSE between the two {mse(drawn, average):.3g}"
    figure, axes = _panels(3, average.shape)
    draw_picture(axes[0], drawn, "common face")
    draw_picture(axes[1], average, "average face")
    draw_difference(axes[2], np.asarray(drawn) - np.asarray(average), "common \N{MINUS SIGN} average")
    figure.suptitle(f"{errors}    {_size(params)}", fontsize="medium")
    return figure


def loss_figure(loss: Mapping[str, Float[Array, "_"] | Float[np.ndarray, "_"]]) -> Figure:
    """The loss of each step on a logarithmic scale, ``FitInfo.loss``: each stage in its colour, one after the other."""
    figure = Figure(figsize=(6.0, 3.6), layout="constrained")
    axes, first = figure.add_subplot(), 0
    for name, losses in loss.items():
        label, color = _STAGES.get(name, (name, NEGATIVE))
        marker = "." if len(losses) == 1 else None
        steps = first + np.arange(len(losses))
        axes.semilogy(steps, np.asarray(losses), color=color, linewidth=1.2, marker=marker, label=label)
        first += len(losses)
    axes.set(xlabel="step", ylabel="loss", xlim=(0, max(1, first - 1)))
    axes.legend(frameon=False)
    axes.grid(which="both", color="0.92", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def components_figure(params: Model, shape: tuple[int, int]) -> Figure:
    """A model's render at ``shape`` (H, W), its components over it, and their ``strengths`` by size."""
    drawn = render(params, shape)
    figure, axes = _panels(3, shape, ratios=(1, 1, 1.2))
    draw_picture(axes[0], drawn, "model")
    _ellipses(axes[1], params, drawn)
    weights = strengths(params)
    weights = weights[np.argsort(-np.abs(weights))]
    rank = np.arange(1, len(weights) + 1)
    axes[2].vlines(rank, 0, np.abs(weights), colors=_colors(weights), linewidth=np.clip(160 / len(rank), 0.8, 6))
    axes[2].set(
        xlabel="component, largest first", ylabel=f"|{_strength(params)}|", xlim=(0, len(rank) + 1), ylim=(0, None)
    )
    axes[2].spines[["top", "right"]].set_visible(False)
    figure.suptitle(_size(params), fontsize="medium")
    return figure


def surface_figure(params: Model, shape: tuple[int, int]) -> Figure:
    """The model on a grid of ``shape`` (H, W) as the paper's Fig. 5 has it, see ``draw_surface``."""
    figure = Figure(figsize=(6.4, 5.2), layout="constrained")
    axes = figure.add_subplot(projection="3d")
    draw_surface(axes, render(params, shape), params.offset)
    axes.set(xlabel="column, $x_2$", ylabel="row, $x_1$", zlabel="$1 - f$")
    figure.suptitle(_size(params), fontsize="medium")
    return figure


def pictures_figure(rows: Sequence[Pictures], titles: Sequence[str], heads: Sequence[str] = ()) -> Figure:
    """Rows of pictures of one size, with a title above each column and a head beside each row."""
    height, width = np.shape(rows[0][0])[:2]
    side = 1.3
    figure = Figure(figsize=(side * len(titles) + 0.3, side * height / width * len(rows) + 0.15), layout="constrained")
    axes = figure.subplots(len(rows), len(titles), squeeze=False)
    for place, row in enumerate(rows):
        for column, picture in enumerate(row):
            draw_picture(axes[place, column], picture, titles[column] if place == 0 else "")
        if heads:
            axes[place, 0].set_axis_on()
            axes[place, 0].set(xticks=[], yticks=[])
            axes[place, 0].set_ylabel(heads[place], fontsize="small")
    return figure


def map_figure(places: Float[np.ndarray, "n 2"], pictures: Pictures, names: Sequence[str]) -> Figure:
    """Small pictures at ``places`` in the plane, with their names where there are at most 60."""
    breadth, height = np.maximum(np.ptp(places, axis=0), 1e-6)
    figure = Figure(figsize=(9, 9 * min(1.0, max(0.4, height / breadth))), layout="constrained")
    axes = figure.subplots()
    zoom = 250 / (np.shape(pictures[0])[0] * math.sqrt(len(names) + 9))
    for (x, y), picture, name in zip(places.tolist(), pictures, names, strict=True):
        image = OffsetImage(np.asarray(picture), zoom=zoom, cmap="gray", clim=(0, 1))
        axes.add_artist(AnnotationBbox(image, (x, y), frameon=False))
        if len(names) <= 60:
            below = -zoom * np.shape(picture)[0] / 2
            axes.annotate(
                name, (x, y), (0, below), textcoords="offset points", ha="center", va="top", fontsize="xx-small"
            )
    axes.scatter(places[:, 0], places[:, 1], s=0)
    axes.margins(0.12)
    axes.set_aspect("equal")
    axes.set(xlabel="distance in units of intensity")
    return figure


def draw_picture(axes: Axes, image: Picture, title: str = "", **options) -> None:
    """A picture on the scale from 0, black, to 1, white; what lies beyond is clipped."""
    axes.imshow(np.clip(np.asarray(image), 0, 1), cmap="gray", vmin=0, vmax=1, interpolation="nearest", **options)
    axes.set_title(title, fontsize="medium")
    axes.set_axis_off()


def draw_difference(axes: Axes, difference: Picture, title: str = "", *, limit: float | None = None) -> None:
    """A signed difference of pictures (of the channel with the largest error) with its colour bar, from -limit to
    limit: by default the largest absolute error."""
    difference = np.asarray(difference)
    if difference.ndim == 3:
        worst = np.argmax(np.abs(difference), axis=-1, keepdims=True)
        difference = np.take_along_axis(difference, worst, axis=-1)[..., 0]
    limit = max(float(np.abs(difference).max()), 1e-6) if limit is None else limit
    drawn = axes.imshow(difference, cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest")
    axes.set_title(title, fontsize="medium")
    axes.set_axis_off()
    bar = axes.figure.colorbar(drawn, ax=axes, fraction=0.046, pad=0.03)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize="small")


def draw_surface(axes: Axes3D, picture: Picture, offset: float = 1.0) -> None:
    """A picture f as the surface 1 - f over its positions: what is dark stands up. For colour, f is the mean."""
    height = 1.0 - np.atleast_3d(np.asarray(picture)).mean(axis=-1)
    shape = height.shape
    rows, columns = ((np.arange(n) + offset) / n for n in shape)
    lines = {"rcount": min(shape[0], 240), "ccount": min(shape[1], 240)}
    axes.plot_surface(columns, rows[:, None], height, cmap="viridis", linewidth=0, antialiased=False, **lines)
    axes.set_box_aspect((shape[1] / max(shape), shape[0] / max(shape), 0.45), zoom=0.88)
    axes.locator_params(nbins=4)
    axes.invert_yaxis()
    axes.view_init(elev=55, azim=-78)


def _panels(count: int, shape: tuple[int, ...], ratios=None) -> tuple[Figure, np.ndarray]:
    side = 2.7
    aspect = min(3.0, max(1 / 3, shape[1] / shape[0]))
    width, height = side * min(aspect, 1), side / max(aspect, 1)
    figure = Figure(figsize=(count * (width + 0.4) + 0.5, height + 1.1))
    figure.set_layout_engine("constrained", w_pad=0.08, h_pad=0.08)
    return figure, figure.subplots(1, count, width_ratios=ratios)


def _ellipses(axes: Axes, params: Model, image) -> None:
    """Each component as the ellipse (x - mu)^T A (x - mu) = 1/2, one standard deviation of a Gaussian, over the dimmed
    picture."""
    draw_picture(axes, image, "components", alpha=0.4)
    height, width = np.shape(image)[:2]
    means, chol = (np.asarray(part, np.float64) for part in (params.means, params.precision_chol))
    turn = np.linspace(0, 2 * math.pi, 97)
    l11, l21, l22 = chol.T[..., None]
    # L^T d = (cos, sin) / sqrt(2), solved from below.
    column = math.sqrt(0.5) * np.sin(turn) / l22
    row = (math.sqrt(0.5) * np.cos(turn) - l21 * column) / l11
    lines = np.stack([(means[:, 1:] + column) * width, (means[:, :1] + row) * height], axis=-1) - params.offset
    weights = strengths(params)
    widths = 0.4 + 1.8 * np.sqrt(np.abs(weights) / max(np.abs(weights).max(), np.finfo(float).tiny))
    axes.add_collection(LineCollection(list(lines), colors=_colors(weights), linewidths=widths), autolim=False)
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
    labels = ((POSITIVE, f"{_strength(params)} > 0"), (NEGATIVE, f"{_strength(params)} < 0"))
    handles = [Line2D([], [], color=color, label=label) for color, label in labels]
    legend = axes.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=2, fontsize="small")
    legend.set_frame_on(False)


def _strength(params: Model) -> str:
    """What a figure calls ``strengths``."""
    return "weight" if isinstance(params, GmFace) else "peak"


def _colors(weights: np.ndarray) -> np.ndarray:
    return np.where(weights >= 0, POSITIVE, NEGATIVE)


def _size(params: Model) -> str:
    return f"{params.num_components} components, {params.num_parameters} parameters"
