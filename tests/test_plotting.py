"""The figures show what they say: the right numbers in the right places, for any model and any shape of picture."""

import subprocess
import sys
import warnings

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from gmjax import GmFace, mse, pae, precision, psnr, render
from gmjax.plotting import (
    NEGATIVE,
    POSITIVE,
    common_figure,
    components_figure,
    draw_difference,
    fit_figure,
    loss_figure,
    surface_figure,
)
from tests.test_profiles import model


def drawn(figure: Figure, tmp_path) -> bytes:
    """The figure as a file: everything in it has been laid out and drawn, without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.savefig(tmp_path / "figure.png", dpi=60)
    return (tmp_path / "figure.png").read_bytes()


def panels(figure: Figure) -> dict:
    return {axes.get_title(): axes for axes in figure.axes}


def pixels(axes) -> np.ndarray:
    return np.asarray(axes.images[0].get_array())


def test_fit_figure_shows_the_fit(tmp_path, picture, model):
    figure = fit_figure(picture, model)
    assert drawn(figure, tmp_path).startswith(b"\x89PNG")
    shown = panels(figure)
    render_ = np.asarray(render(model, picture.shape))
    np.testing.assert_array_equal(pixels(shown["picture"]), picture)
    np.testing.assert_array_equal(pixels(shown["model"]), np.clip(render_, 0, 1))
    error = shown["model \N{MINUS SIGN} picture"].images[0]
    np.testing.assert_array_equal(np.asarray(error.get_array()), render_ - picture)
    low, high = error.get_clim()
    assert low == -high
    assert high == pytest.approx(float(pae(render_, picture)))
    for words in (
        "5 components, 30 parameters",
        f"MSE {mse(render_, picture):.3g}",
        f"largest error {pae(render_, picture):.3g}",
        f"PSNR {psnr(render_, picture):.1f} dB",
    ):
        assert words in figure.get_suptitle()


def test_errors_of_several_figures_have_the_scale_that_they_are_given(picture):
    axes = Figure().subplots(1, 2)
    for ax, scale in zip(axes, (0.1, 0.2), strict=True):
        draw_difference(ax, scale * picture, limit=0.25)
        assert ax.images[0].get_clim() == (-0.25, 0.25)


def test_color_error_is_that_of_the_channel_furthest_off(tmp_path, picture, color_model):
    image = np.stack([picture, 1 - picture, 0.5 * picture], axis=-1)
    figure = fit_figure(image, color_model)
    drawn(figure, tmp_path)
    difference = np.asarray(render(color_model, picture.shape)) - image
    expected = [[max(pixel, key=abs) for pixel in row] for row in difference]
    np.testing.assert_array_equal(pixels(panels(figure)["model \N{MINUS SIGN} picture"]), expected)


@pytest.mark.parametrize("offset", [1.0, 0.5])
def test_ellipses_lie_where_the_formula_has_them(picture, model, offset):
    model = model.replace(offset=offset)
    axes = panels(fit_figure(picture, model))["components"]
    (ellipses,) = [artist for artist in axes.collections if isinstance(artist, LineCollection)]
    matrices = np.asarray(precision(model), np.float64)
    for line, mean, matrix in zip(ellipses.get_segments(), np.asarray(model.means), matrices, strict=True):
        x, y = line.T  # as imshow has it: columns and rows counted from 0
        d = np.stack([(y + offset) / picture.shape[0], (x + offset) / picture.shape[1]], axis=-1) - mean
        np.testing.assert_allclose(np.einsum("ni,ij,nj->n", d, matrix, d), 0.5, rtol=1e-4)
        np.testing.assert_allclose(d[:48], -d[48:96], atol=1e-9)  # all the way round
        assert np.linalg.matrix_rank(d) == 2


def test_ellipses_are_marked_by_weight_and_stay_in_the_picture(picture, model):
    model = model.replace(weights=np.float32([0.5, -0.1, 0.0, 0.9, -0.3]))
    axes = panels(components_figure(model, picture.shape))["components"]
    (ellipses,) = axes.collections
    red, blue = (tuple(int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)) for color in (POSITIVE, NEGATIVE))
    expected = [red, blue, red, red, blue]
    np.testing.assert_allclose(np.asarray(ellipses.get_edgecolor())[:, :3], expected)
    assert list(np.argsort(ellipses.get_linewidth())) == [2, 1, 4, 0, 3]
    assert ellipses.get_clip_on()
    assert axes.get_xlim() == (-0.5, 19.5)
    assert axes.get_ylim() == (23.5, -0.5)


def test_common_figure_compares_with_the_average(tmp_path, picture, model):
    figure = common_figure(model, picture)
    drawn(figure, tmp_path)
    shown = panels(figure)
    assert {"common face", "average face"} < set(shown)
    np.testing.assert_array_equal(pixels(shown["average face"]), picture)
    assert f"{mse(render(model, picture.shape), picture):.3g}" in figure.get_suptitle()


def test_a_gray_model_beside_a_colour_picture_is_refused(picture, model):
    for figure in (lambda image: fit_figure(image, model), lambda image: common_figure(model, image)):
        with pytest.raises(ValueError, match="same shape"):
            figure(np.stack([picture] * 3, axis=-1))


@pytest.mark.parametrize("steps", [1, 2, 500])
def test_loss_figure_is_logarithmic(tmp_path, steps):
    loss = np.geomspace(1, 1e-4, steps)
    figure = loss_figure({"adam": loss})
    drawn(figure, tmp_path)
    (axes,) = figure.axes
    assert axes.get_yscale() == "log"
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), loss)


def test_loss_figure_tells_two_stages_apart(tmp_path):
    loss = np.geomspace(1, 1e-4, 30)
    figure = loss_figure({"least_squares": loss[:20], "adam": loss[20:]})
    drawn(figure, tmp_path)
    first, last = figure.axes[0].lines
    np.testing.assert_array_equal(first.get_ydata(), loss[:20])
    np.testing.assert_array_equal(last.get_xdata(), np.arange(20, 30))
    assert [line.get_label() for line in (first, last)] == ["MSE", "MSE + λ PAE"]


def test_weights_are_shown_largest_first(tmp_path, picture, color_model):
    figure = components_figure(color_model, picture.shape)
    drawn(figure, tmp_path)
    tops = np.array([line[1, 1] for line in figure.axes[2].collections[0].get_segments()])
    expected = np.sort(np.abs(np.asarray(color_model.weights).mean(axis=-1)))[::-1]
    np.testing.assert_allclose(tops, expected, rtol=1e-6)


def test_surface_is_one_minus_f(tmp_path, model):
    figure = surface_figure(model, (12, 10))
    drawn(figure, tmp_path)
    low, high = figure.axes[0].get_zlim()
    height = 1 - np.asarray(render(model, (12, 10)))
    assert low <= height.min() < height.max() <= high


@pytest.mark.soak
@pytest.mark.parametrize("shape", [(1, 2), (3, 40), (40, 3)])
def test_odd_shapes_and_a_single_component(tmp_path, shape):
    model = GmFace(np.float32([0.0]), np.float32([[0.5, 0.5]]), np.float32([[1e-3, 0.0, 1e-3]]))
    drawn(fit_figure(np.full(shape, 0.5, np.float32), model), tmp_path)
    drawn(components_figure(model, shape), tmp_path)
    if min(shape) > 1:
        drawn(surface_figure(model, shape), tmp_path)


def test_no_global_state_and_not_imported_with_gmjax():
    code = """
import sys, gmjax
assert "matplotlib" not in sys.modules
import matplotlib
settings = lambda: {name: matplotlib.rcParams[name] for name in matplotlib.rcParams if name != "backend"}
before = settings()
import gmjax.plotting
assert "matplotlib.pyplot" not in sys.modules
assert settings() == before
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_atoms_are_coloured_by_their_peaks():
    """The second Mexican hat is a dark ring with a bright centre."""
    params = model("mexican_hat", m=2).replace(weights=np.float32([[0.4, 0.1], [0.1, -2.0]]))
    figure = components_figure(params, (20, 20))
    bars = figure.axes[2]
    assert bars.get_ylabel() == "|peak|"
    (lines,) = bars.collections
    assert [segment[1][1] for segment in lines.get_segments()] == pytest.approx([0.7, 0.4], abs=1e-3)
    assert [to_hex(color) for color in lines.get_colors()] == [NEGATIVE, POSITIVE]
    assert [text.get_text() for text in figure.axes[1].get_legend().get_texts()] == ["peak > 0", "peak < 0"]
