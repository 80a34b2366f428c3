"""The page draws what gmjax.render draws: on the screen to one level of 255, as floats to 1e-5."""

import imageio.v3 as iio
import numpy as np
import pytest

import gmjax
from tests.viewer.conftest import smooth_model

NO_WEBGL2 = """
const context = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
  return kind === "webgl2" ? null : context.call(this, kind, ...rest);
};
"""


def rendered(params, shape) -> np.ndarray:
    """(H, W, 3), not clipped."""
    drawn = np.asarray(gmjax.render(params, shape))
    return np.repeat(drawn[..., None], 3, axis=-1) if params.channels is None else drawn


def assert_shows(screenshot, params, shape):
    assert screenshot.shape == (*shape, 3)
    wanted = np.clip(rendered(params, shape), 0, 1) * 255
    assert np.abs(screenshot - wanted).max() <= 1.0


def zoomed(params, view, shape, stage) -> gmjax.GmFace:
    """The model whose whole picture is what a view shows on a stage."""
    (row, column), zoom = view["center"], view["zoom"]
    part = stage[0] / (shape[0] * zoom), stage[1] / (shape[1] * zoom)
    return gmjax.affine(params, np.diag(part), (row - part[0] / 2, column - part[1] / 2))


@pytest.mark.parametrize(
    ("offset", "channels"),
    [(1.0, None), (0.5, 3), *(pytest.param(*other, marks=pytest.mark.soak) for other in ((1.0, 3), (0.5, None)))],
)
def test_floats_are_those_of_render(open_viewer, channels, offset):
    params = smooth_model(channels, offset=offset)
    opened = open_viewer(params, shape=(120, 90))
    for shape in ((120, 90), (512, 512)):
        assert np.abs(opened.floats(shape) - np.asarray(gmjax.render(params, shape)).reshape(*shape, -1)).max() < 1e-5


@pytest.mark.soak
def test_floats_of_the_published_face(open_viewer, published):
    opened = open_viewer(published)
    assert np.abs(opened.floats((120, 120))[..., 0] - np.asarray(gmjax.render(published, (120, 120)))).max() < 1e-5


@pytest.mark.parametrize(
    "channels", [pytest.param(None, marks=pytest.mark.soak), pytest.param(1, marks=pytest.mark.soak), 3]
)
def test_the_screen_shows_render(open_viewer, channels):
    params = smooth_model(channels)
    opened = open_viewer(params, stage=(120, 120), shape=(120, 120))
    assert_shows(opened.screenshot(), params, (120, 120))
    opened.page.locator(".stage").evaluate("(stage) => { stage.style.width = stage.style.height = '512px'; }")
    opened.run("() => new Promise(requestAnimationFrame)")
    assert_shows(opened.screenshot(), params, (512, 512))


@pytest.mark.soak
@pytest.mark.parametrize("without_webgl2", [False, True])
def test_zoomed_fifty_times(open_viewer, page, without_webgl2):
    if without_webgl2:
        page.add_init_script(NO_WEBGL2)
    params, shape, stage = smooth_model(3), (60, 80), (240, 320)
    opened = open_viewer(params, stage=stage, shape=shape)
    opened.run("() => gmjax.stage.zoom(50, 100, 170)")
    view = opened.run("() => gmjax.stage.view")
    assert view["zoom"] == pytest.approx(200)
    there = zoomed(params, view, shape, stage)
    assert np.ptp(rendered(there, stage)) > 1e-2
    assert_shows(opened.screenshot(), there, stage)


@pytest.mark.soak
@pytest.mark.parametrize("channels", [None, 3])
def test_floats_zoomed_fifty_times(open_viewer, channels):
    params, shape = smooth_model(channels), (120, 120)
    axis = [{"start": start, "step": 1 / 120 / 50, "count": 120} for start in (0.31, 0.62)]
    opened = open_viewer(params)
    values = opened.numbers("([rows, columns]) => gmjax.stage.floatsOf({ rows, columns })", axis).reshape(*shape, -1)
    rows, columns = (one["start"] + np.arange(120) * one["step"] for one in axis)
    wanted = in_float64(params, rows, columns)
    assert np.ptp(wanted) > 1e-2
    assert np.abs(values - wanted).max() < 1e-5


def in_float64(params, rows, columns) -> np.ndarray:
    """(H, W, C)."""
    means, chol = (np.asarray(part, np.float64) for part in (params.means, params.precision_chol))
    row, column = rows[:, None, None] - means[:, 0], columns[None, :, None] - means[:, 1]
    u, v = chol[:, 0] * row + chol[:, 1] * column, chol[:, 2] * column
    return np.exp(-u * u - v * v) @ np.asarray(params.weights, np.float64).reshape(len(means), -1)


@pytest.mark.soak
def test_floats_far_away_from_the_origin(open_viewer):
    """Positions are relative to the middle of the view: float32 would not tell the pixels apart otherwise."""
    narrow = gmjax.GmFace(np.float32([1]), np.float32([[0.7, 0.3]]), np.float32([[3e4, 1e4, 2e4]]), 0.5)
    opened = open_viewer(narrow, shape=(100, 100))
    mean = np.float64(np.float32([0.7, 0.3]))
    axes = [{"start": start - 8e-5, "step": 1e-5, "count": 16} for start in mean.tolist()]
    values = opened.numbers("([rows, columns]) => gmjax.stage.floatsOf({ rows, columns })", axes).reshape(16, 16)
    step = (np.arange(16) - 8) * 1e-5
    wanted = np.exp(-((3e4 * step[:, None] + 1e4 * step) ** 2) - (2e4 * step) ** 2)
    assert np.abs(values - wanted).max() < 1e-5


@pytest.mark.soak
def test_extreme_numbers_draw_without_an_error(open_viewer):
    numbers = np.float32([1e-30, 1e-8, 1, 1e8, 1e30])
    l11, l22 = (part.ravel() for part in np.meshgrid(numbers, numbers))
    means = np.float32(np.resize([0.5, 1e30, -1e30, 1e-30, 7], (25, 2)))
    chol = np.stack([l11, np.resize(np.float32([0, 1e30, -1e20]), 25), l22], axis=-1)
    params = gmjax.GmFace(np.float32(np.linspace(-1, 1, 25)), means, chol)
    opened = open_viewer(params, stage=(60, 60))
    opened.press("e", *"]" * 6, "Shift+ArrowUp", "r", "s", "-", "+", "3", "f")
    assert opened.screenshot().shape == (60, 60, 3)


@pytest.mark.soak
def test_thousands_of_components_in_tiles(open_viewer):
    rng = np.random.default_rng(0)
    m = 2000
    chol = np.stack([rng.uniform(8, 90, m), rng.normal(size=m) * 20, rng.uniform(8, 90, m)], axis=-1)
    parts = rng.normal(scale=0.3, size=(m, 3)), rng.uniform(-0.1, 1.1, (m, 2)), chol
    params = gmjax.GmFace(*map(np.float32, parts))
    opened = open_viewer(params, shape=(100, 130))
    assert opened.run("() => gmjax.models[0].orderByError") is None
    assert np.abs(opened.floats((100, 130)) - np.asarray(gmjax.render(params, (100, 130)))).max() < 2e-5


@pytest.mark.soak
@pytest.mark.parametrize("channels", [None, 3])
def test_without_webgl2_the_same_is_drawn(open_viewer, page, channels):
    page.add_init_script(NO_WEBGL2)
    params = smooth_model(channels)
    opened = open_viewer(params, stage=(120, 120))
    assert opened.run("() => gmjax.stage.painter.name") == "plain"
    assert_shows(opened.screenshot(), params, (120, 120))
    assert np.abs(opened.floats((30, 40)) - np.asarray(gmjax.render(params, (30, 40))).reshape(30, 40, -1)).max() < 1e-5
    assert page.get_by_text("This browser offers no WebGL2").is_visible()
    assert page.get_by_role("button", name="Surface").is_disabled()


@pytest.mark.soak
@pytest.mark.parametrize("without_webgl2", [False, True])
@pytest.mark.parametrize("channels", [None, 3])
def test_the_difference_is_magnified_about_mid_gray(open_viewer, page, channels, without_webgl2):
    if without_webgl2:
        page.add_init_script(NO_WEBGL2)
    params, shape = smooth_model(channels), (40, 30)
    rng = np.random.default_rng(1)
    drawn = np.asarray(gmjax.render(params, shape))
    picture = np.round(np.clip(drawn + rng.normal(scale=0.03, size=drawn.shape), 0, 1) * 255) / 255
    opened = open_viewer(params, picture=picture, stage=shape)
    opened.slide("magnify", 3)
    assert np.abs(opened.screenshot() - wide(np.clip(0.5 + 8 * (drawn - picture), 0, 1) * 255)).max() <= 1.0
    mse = np.mean((drawn - picture) ** 2)
    said = page.get_by_text("Mean squared error").inner_text()
    assert float(said.split()[3]) == pytest.approx(mse, rel=1e-3)
    opened.click("Picture")
    assert np.abs(opened.screenshot() - wide(picture * 255)).max() <= 1.0


def wide(picture) -> np.ndarray:
    return picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=-1)


@pytest.mark.soak
def test_the_surface_is_drawn_and_turned(open_viewer, published):
    opened = open_viewer(published, stage=(200, 200))
    opened.page.get_by_role("button", name="Surface").click()
    opened.settle()
    first = opened.screenshot().astype(int)
    background = np.abs(first - first[0, 0]).max(axis=-1) < 8
    assert 0.2 < background.mean() < 0.9
    opened.press("ArrowLeft", "ArrowLeft")
    turned = opened.screenshot().astype(int)
    assert (np.abs(turned - first).max(axis=-1) > 8).mean() > 0.1
    opened.click("Formula")
    assert_shows(opened.screenshot(), published, (200, 200))


@pytest.mark.soak
def test_a_saved_picture_of_several_tiles(open_viewer, page):
    params = smooth_model(3)
    opened = open_viewer(params, shape=(60, 90))
    page.get_by_label("longer side").fill("600")
    with page.expect_download() as started:
        page.get_by_role("button", name="Save PNG").click()
    saved = iio.imread(started.value.path())
    assert np.abs(saved[..., :3] - np.clip(rendered(params, (400, 600)), 0, 1) * 255).max() <= 1.0
    assert opened.run("() => document.querySelector('[role=status]').textContent").endswith("400 by 600 pixels")


@pytest.mark.soak
def test_a_lost_context_comes_back(open_viewer):
    params = smooth_model()
    opened = open_viewer(params, stage=(100, 100))
    opened.run("""async () => {
        const gl = document.querySelector(".picture").getContext("webgl2");
        const lose = gl.getExtension("WEBGL_lose_context");
        lose.loseContext();
        await new Promise((resolve) => setTimeout(resolve, 100));
        lose.restoreContext();
        await new Promise((resolve) => setTimeout(resolve, 200));
    }""")
    assert_shows(opened.screenshot(), params, (100, 100))
