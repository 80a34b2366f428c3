"""Every control of the page, by mouse, by touch and by keyboard; what was edited, saved and loaded again."""

import json
import math

import jax
import numpy as np
import pytest

import gmjax
from gmjax import coordinates, export, frame, transforms
from gmjax.files.models import load_metadata
from tests.viewer.conftest import smooth_model


def assert_equal(params, wanted, tolerance=1e-5):
    assert params.offset == wanted.offset
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance), params, wanted)


def one_gaussian(**changes) -> gmjax.GmFace:
    parts = {"weights": [0.8], "means": [[0.5, 0.5]], "precision_chol": [[5, 0, 10]]} | changes
    return gmjax.GmFace(**{name: np.float32(part) for name, part in parts.items()}, offset=0.5)


def saved(opened, path):
    with opened.page.expect_download() as started:
        opened.click("Save model")
    started.value.save_as(path)
    return gmjax.load(path)


@pytest.mark.parametrize("channels", [None, 1, 3])
def test_an_edited_model_is_saved_and_loaded(open_viewer, tmp_path, channels):
    params, path = smooth_model(channels, components=6, offset=0.5), tmp_path / "edited.safetensors"
    opened = open_viewer(params, shape=(40, 30))
    assert_equal(saved(opened, path), params, 0)
    opened.press("[", "Shift+ArrowRight", "r", "s", "w")
    weights, means, chol = (np.array(part) for part in (params.weights, params.means, params.precision_chol))
    loaded = saved(opened, path)
    assert_equal(loaded, opened.model(), 0)
    np.testing.assert_allclose(loaded.weights[-1], weights[-1] + 0.02, rtol=1e-5)
    assert loaded.means[-1, 1] > means[-1, 1]
    assert loaded.means[-1, 0] == means[-1, 0]
    for part, old in ((loaded.weights, weights), (loaded.means, means), (loaded.precision_chol, chol)):
        np.testing.assert_array_equal(part[:-1], old[:-1])
        assert not np.array_equal(part[-1], old[-1])
    said = load_metadata(path)
    assert (said["height"], said["width"]) == ("40", "30")
    assert "frame" not in said


@pytest.mark.soak
def test_the_whole_is_moved_exactly_and_remembers_its_frame(open_viewer, tmp_path):
    params, shape = smooth_model(), (60, 90)
    opened = open_viewer(params, shape=shape)
    opened.slide("down", 0.1)
    opened.slide("right", -0.2)
    opened.slide("size", 1)
    opened.slide("turn", 30)
    aspect = shape[1] / shape[0]
    maps = transforms.scaling(0.5, (0.5, 0.5)), transforms.rotation(math.radians(30), (0.5, 0.5), aspect)
    maps = (*maps, transforms.translation((0.1, -0.2)))
    wanted, moved = params, (np.eye(2), np.zeros(2))
    for step in maps:
        wanted, moved = gmjax.affine(wanted, *step), frame.compose(moved, [np.asarray(part, float) for part in step])
    loaded = saved(opened, tmp_path / "moved.safetensors")
    assert_equal(loaded, wanted, 2e-5)
    for found, part in zip(frame.from_metadata(load_metadata(tmp_path / "moved.safetensors")), moved, strict=True):
        np.testing.assert_allclose(found, part, atol=1e-6)
    opened.click("As it was")
    assert_equal(opened.model(), params, 0)


def test_undo_of_the_whole(open_viewer, page):
    """The sliders say how the picture was moved, before and after undo; successive steps of a slider are one."""
    params = smooth_model(components=4)
    opened = open_viewer(params)
    read = "() => Array.from(document.querySelectorAll('input[type=range]')).slice(-4).map((one) => Number(one.value))"
    slider = page.get_by_label("right", exact=True)
    for _ in range(16):
        slider.press("ArrowRight")
    opened.settle()
    assert opened.run(read) == [0, 0.08, 0, 0]
    right = opened.model()
    opened.slide("down", 0.25)
    down = opened.model()
    slider.press("Control+z")
    opened.settle()
    assert opened.run(read) == [0, 0.08, 0, 0]
    assert_equal(opened.model(), right, 0)
    opened.click("Redo (Ctrl+Shift+Z)")
    assert opened.run(read) == [0.25, 0.08, 0, 0]
    assert_equal(opened.model(), down, 0)
    opened.click("As it was")
    assert_equal(opened.model(), params, 0)
    assert opened.run(read) == [0, 0, 0, 0]
    for _ in range(3):
        opened.click("Undo (Ctrl+Z)")
    assert_equal(opened.model(), params, 0)
    assert page.get_by_role("button", name="Undo (Ctrl+Z)").is_disabled()
    assert page.get_by_role("button", name="As it was").is_disabled()


@pytest.mark.soak
def test_a_frame_that_the_file_has_goes_on(open_viewer, tmp_path):
    params = smooth_model()
    before = frame.as_metadata(*[np.asarray(part, float) for part in transforms.translation((0.25, 0.0))])
    opened = open_viewer(params, about=[before])
    opened.slide("right", 0.5)
    saved(opened, tmp_path / "moved.safetensors")
    _, offset = frame.from_metadata(load_metadata(tmp_path / "moved.safetensors"))
    np.testing.assert_allclose(offset, [-0.25, -0.5])


def test_dragging_moves_stretches_and_turns(open_viewer):
    opened = open_viewer(one_gaussian(), stage=(300, 300), shape=(100, 100))
    box = opened.page.locator(".stage").bounding_box()
    mouse = opened.page.mouse

    def drag(start, end):
        mouse.move(box["x"] + start[0], box["y"] + start[1])
        mouse.down()
        mouse.move(box["x"] + (start[0] + end[0]) / 2, box["y"] + (start[1] + end[1]) / 2)
        mouse.move(box["x"] + end[0], box["y"] + end[1])
        mouse.up()
        opened.settle()

    mouse.click(box["x"] + 150, box["y"] + 150)
    opened.settle()
    assert opened.run("() => gmjax.session.chosen") == 0
    assert "No. 1 of 1" in opened.page.locator(".panel").first.inner_text()
    drag((150, 150), (180, 120))
    np.testing.assert_allclose(opened.model().means, [[0.4, 0.6]], atol=1e-6)
    # Standard deviations of 300 / (5 sqrt 2) = 42.4 pixels down, half of that sideways.
    long = 300 / 5 / math.sqrt(2)
    drag((180, 120 + long), (180, 120 + 2 * long))
    np.testing.assert_allclose(opened.model().precision_chol, [[2.5, 0, 10]], rtol=1e-3, atol=1e-2)
    drag((180, 120 + 2 * long), (180 + 2 * long, 120))
    np.testing.assert_allclose(opened.model().precision_chol, [[10, 0, 2.5]], rtol=1e-3, atol=1e-2)
    for _ in range(3):
        opened.click("Undo (Ctrl+Z)")
    assert_equal(opened.model(), one_gaussian(), 0)
    opened.click("Redo (Ctrl+Shift+Z)")
    np.testing.assert_allclose(opened.model().means, [[0.4, 0.6]], atol=1e-6)


@pytest.mark.soak
def test_dragging_the_empty_stage_pans_and_the_wheel_zooms_at_the_pointer(open_viewer):
    opened = open_viewer(one_gaussian(), stage=(200, 200), shape=(100, 100))
    box = opened.page.locator(".stage").bounding_box()
    mouse = opened.page.mouse
    mouse.move(box["x"] + 50, box["y"] + 50)
    mouse.down()
    mouse.move(box["x"] + 60, box["y"] + 60)
    mouse.move(box["x"] + 90, box["y"] + 70)
    mouse.up()
    np.testing.assert_allclose(opened.run("() => gmjax.stage.view.center"), [0.4, 0.3])
    mouse.move(box["x"] + 150, box["y"] + 100)
    mouse.wheel(0, -500)
    opened.settle()
    view = opened.run("() => gmjax.stage.view")
    assert view["zoom"] > 3
    assert view["center"][1] + 50 / (100 * view["zoom"]) == pytest.approx(0.55)
    opened.click("The whole picture (0)")
    assert opened.run("() => gmjax.stage.view") == {"center": [0.5, 0.5], "zoom": 2}


@pytest.mark.soak
def test_keys(open_viewer, page):
    params = smooth_model(components=6)
    opened = open_viewer(params, stage=(200, 200))
    view = "() => gmjax.stage.view"
    opened.press("+", "+", "ArrowRight", "ArrowDown")
    moved = opened.run(view)
    assert moved["center"][0] > 0.5
    assert moved["center"][1] > 0.5
    opened.press("0")
    assert opened.run(view)["center"] == [0.5, 0.5]
    opened.press("]", "]")
    assert opened.run("() => gmjax.session.chosen") == 1
    status = page.get_by_role("status")
    assert status.inner_text().startswith("Component 2 of 6: weight ")
    opened.press("Delete")
    assert opened.model().num_components == 5
    np.testing.assert_array_equal(opened.model().weights, np.delete(np.asarray(params.weights), 1))
    opened.press("a")
    assert opened.model().num_components == 6
    np.testing.assert_allclose(opened.model().means[-1], [0.5, 0.5])
    assert opened.run("() => gmjax.session.chosen") == 5
    opened.press("Control+z", "Control+z")
    assert_equal(opened.model(), params, 0)
    opened.press("Control+Shift+Z")
    assert opened.model().num_components == 5
    opened.press("Escape")
    assert opened.run("() => gmjax.session.chosen") is None
    plain = opened.screenshot()
    opened.press("e")
    assert (opened.screenshot() != plain).any()
    opened.press("3")
    assert page.get_by_role("button", name="Surface").get_attribute("aria-pressed") == "true"
    opened.press("f", "?")
    assert page.get_by_role("dialog").is_visible()
    page.keyboard.press("Escape")
    assert not page.get_by_role("dialog").is_visible()


@pytest.mark.soak
def test_numbers_are_typed(open_viewer, page):
    opened = open_viewer(one_gaussian(), shape=(100, 100))
    opened.press("]")
    for label, value in (
        ("weight w", -0.25),
        ("row μ₁", 0.25),
        ("column μ₂", 0.75),
        ("L₂₁", 2),
        ("L₁₁", 8),
        ("L₂₂", 4),
    ):
        opened.fill(label, value)
    wanted = one_gaussian(weights=[-0.25], means=[[0.25, 0.75]], precision_chol=[[8, 2, 4]])
    assert_equal(opened.model(), wanted, 0)
    for label, value in (("L₁₁", -8), ("L₂₂", 0), ("long px", -1), ("weight w", "")):
        opened.fill(label, value)
    assert_equal(opened.model(), wanted, 0)
    opened.fill("long px", 20)
    opened.fill("short px", 10)
    opened.fill("angle °", 90)
    # One standard deviation of 20 pixels down is 1 / l11 sqrt(1 / 2).
    np.testing.assert_allclose(opened.model().precision_chol, [[5 / math.sqrt(2), 0, 10 / math.sqrt(2)]], atol=1e-5)
    opened.slide("weight", 0.5)
    np.testing.assert_allclose(opened.model().weights, [0.5])
    assert page.get_by_role("img", name="What this component adds").is_visible()


@pytest.mark.soak
def test_components_by_importance(open_viewer, page):
    params = smooth_model(components=6)
    opened = open_viewer(params, shape=(30, 40))
    by_weight = gmjax.analysis.order_by_weight(params)
    assert opened.run("() => gmjax.session.ranking()") == by_weight.tolist()
    opened.slide("components", 3)
    kept = gmjax.analysis.take(params, by_weight[:3])
    assert np.abs(opened.floats((30, 40))[..., 0] - np.asarray(gmjax.render(kept, (30, 40)))).max() < 1e-5
    page.get_by_label("order").select_option("by error")
    opened.settle()
    by_error = gmjax.analysis.order_by_error(params, (30, 40))
    assert opened.run("() => gmjax.session.ranking()") == by_error.tolist()
    kept = gmjax.analysis.take(params, by_error[:3])
    assert np.abs(opened.floats((30, 40))[..., 0] - np.asarray(gmjax.render(kept, (30, 40)))).max() < 1e-5
    assert page.get_by_text("3 of 6").is_visible()


@pytest.mark.soak
def test_models_that_correspond_are_morphed(open_viewer, page):
    first, second = smooth_model(3, components=6), smooth_model(3, components=6, seed=1)
    opened = open_viewer([first, second], names=["anna", "ben"])
    assert page.get_by_role("heading", level=1).inner_text() == "anna"
    opened.slide("morph", 0.3)
    ends = [coordinates.to_coordinates(params) for params in (first, second)]
    wanted = coordinates.from_coordinates(jax.tree.map(lambda a, b: 0.7 * a + 0.3 * b, *ends))
    assert_equal(opened.model(), wanted, 1e-4)
    heading, chosen = page.get_by_role("heading", level=1), "(select) => select.selectedOptions[0].textContent"
    name = "anna 70 % + ben 30 %"
    assert heading.inner_text() == name
    assert page.title() == f"{name} - gmjax"
    assert page.get_by_label("model").evaluate(chosen) == name
    opened.press("]", "w")
    assert heading.inner_text() == name
    assert page.get_by_text("edited", exact=True).is_visible()
    edited = np.array(wanted.weights)
    edited[0] += 0.02
    np.testing.assert_allclose(opened.model().weights, edited, atol=1e-4)
    with page.expect_download() as started:
        opened.click("Save model")
    assert started.value.suggested_filename == "anna_70_ben_30.edited.safetensors"
    page.get_by_label("model").select_option("ben")
    opened.settle()
    assert (
        page.get_by_role("status").inner_text()
        == f"What was changed in {name} is no longer on show: Undo brings it back"
    )
    assert_equal(opened.model(), second, 0)
    assert heading.inner_text() == "ben"
    opened.slide("morph", 0)
    assert_equal(opened.model(), first, 0)
    opened.click("Undo (Ctrl+Z)")
    opened.click("Undo (Ctrl+Z)")
    np.testing.assert_allclose(opened.model().weights, edited, atol=1e-4)
    assert heading.inner_text() == name


def test_each_model_keeps_its_edits(open_viewer, page):
    first, second = smooth_model(components=4), smooth_model(components=4, seed=1)
    opened = open_viewer([first, second], names=["anna", "ben"])
    unsaved = """() => !dispatchEvent(new Event("beforeunload", { cancelable: true }))"""
    assert not opened.run(unsaved)
    opened.press("]", "w")
    edited = opened.model()
    assert opened.run(unsaved)
    page.get_by_label("model").select_option("ben")
    opened.settle()
    assert_equal(opened.model(), second, 0)
    assert opened.run(unsaved)
    page.get_by_label("model").select_option("anna (edited)")
    opened.settle()
    assert_equal(opened.model(), edited, 0)
    opened.slide("morph", 0.5)
    middle = (np.asarray(edited.weights) + np.asarray(second.weights)) / 2
    np.testing.assert_allclose(opened.model().weights, middle, rtol=1e-5)
    opened.slide("morph", 0)
    assert_equal(opened.model(), edited, 0)
    with page.expect_download():
        opened.click("Save model")
    assert not opened.run(unsaved)
    opened.press("Delete")
    assert page.get_by_label("morph").is_disabled()
    assert opened.run(unsaved)
    opened.press("Control+z")
    assert page.get_by_label("morph").is_enabled()
    assert not opened.run(unsaved)


@pytest.mark.soak
def test_another_model_can_be_undone(open_viewer, page):
    first, second = smooth_model(components=4), smooth_model(components=5)
    opened = open_viewer([first, second], names=["anna", "ben"])
    opened.press("]", "w")
    edited = opened.model()
    page.get_by_label("model").select_option("ben")
    opened.settle()
    assert_equal(opened.model(), second, 0)
    page.get_by_label("model").press("Control+z")
    opened.settle()
    assert_equal(opened.model(), edited, 0)
    assert page.get_by_role("heading", level=1).inner_text() == "anna"


@pytest.mark.soak
def test_pointing_at_a_component_shows_it(open_viewer, page):
    opened = open_viewer(one_gaussian(), stage=(200, 200), shape=(100, 100))
    box = page.locator(".stage").bounding_box()
    plain = opened.screenshot()
    page.mouse.move(box["x"] + 105, box["y"] + 100)
    opened.settle()
    assert page.locator(".tag").inner_text() == "no. 1   +0.8"
    assert "No. 1 of 1" in page.locator(".panel").first.inner_text()
    assert page.get_by_label("row μ₁").input_value() == "0.5"
    assert (opened.screenshot() != plain).any()
    read = """(canvas) => Array.from(canvas.getContext("2d").getImageData(0, 56, 112, 1).data)"""
    drawn = np.array(page.locator(".contribution").evaluate(read)).reshape(112, 4)[:, :3]
    # From the background at the sides to the colour of a positive weight in the middle.
    assert np.abs(drawn[0] - drawn[-1]).max() <= 2
    assert np.abs(drawn[56] - drawn[0]).max() > 100
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    opened.settle()
    assert not page.locator(".tag").is_visible()
    assert "1 components" not in page.locator(".panel").first.inner_text()


@pytest.mark.soak
def test_models_of_different_sizes_have_no_morph(open_viewer, page):
    open_viewer([smooth_model(components=4), smooth_model(components=5)])
    assert page.get_by_label("model").is_visible()
    assert page.get_by_label("morph").count() == 0


@pytest.mark.parametrize("channels", [pytest.param(None, marks=pytest.mark.soak), 1, 3])
def test_the_code_is_that_of_export(open_viewer, page, channels):
    params, shape = smooth_model(channels, components=5), (9, 7)
    weights, means, chol = (np.array(part) for part in (params.weights, params.means, params.precision_chol))
    weights[1], weights[2], means[1], chol[1, 1], chol[2, 0] = 1e-6, -3e20, (-2e-5, 3), 0, 1e-7
    params = gmjax.GmFace(weights, means, chol, 0.5)
    opened = open_viewer(params, shape=shape, about=[{"height": "9", "width": "7"}])
    page.get_by_text("Show the code").click()
    for language in ("LaTeX", "GLSL", "NumPy", "JSON"):
        page.get_by_label("copy as").select_option(language)
        opened.settle()
        written = page.get_by_label("The formula as code").input_value()
        wanted = export.to_text(params, language.lower(), shape=shape)
        assert written == wanted
    assert_equal(export.from_json(written), params, 0)
    opened.slide("right", 0.5)
    own = json.loads(page.get_by_label("The formula as code").input_value())["metadata"]
    np.testing.assert_allclose(frame.from_metadata(own)[1], [0, -0.5])


@pytest.mark.soak
@pytest.mark.parametrize("channels", [None, 3])
def test_the_shader_draws_the_picture(open_viewer, page, channels):
    params, shape = smooth_model(channels, components=4), (9, 7)
    drawn = np.asarray(gmjax.render(params, shape))
    opened = open_viewer(params)
    page.get_by_text("Show the code").click()
    page.get_by_label("copy as").select_option("GLSL")
    opened.settle()
    code = page.get_by_label("The formula as code").input_value()
    pixels = np.array(opened.run(DRAW_WITH_SHADER, [code, *shape, params.offset])).reshape(*shape, 4)[..., :3]
    wanted = drawn if channels else np.repeat(drawn[..., None], 3, axis=-1)
    assert np.abs(pixels - np.clip(wanted, 0, 1) * 255).max() <= 1


DRAW_WITH_SHADER = """([code, height, width, offset]) => {
  const gl = new OffscreenCanvas(width, height).getContext("webgl2"), program = gl.createProgram();
  const shaders = {
    VERTEX_SHADER: "in vec2 at; void main() { gl_Position = vec4(at, 0.0, 1.0); }",
    FRAGMENT_SHADER: `precision highp float; out vec4 color; ${code}
      void main() {
        vec2 x = (floor(gl_FragCoord.yx) + ${offset.toFixed(1)}) / vec2(${height}, ${width});
        color = vec4(vec3(face(x)), 1.0);
      }`,
  };
  for (const [kind, text] of Object.entries(shaders)) {
    const shader = gl.createShader(gl[kind]);
    gl.shaderSource(shader, "#version 300 es\\n" + text);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program));
  gl.useProgram(program);
  gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
  gl.bufferData(gl.ARRAY_BUFFER, Float32Array.of(-1, -1, 3, -1, -1, 3), gl.STATIC_DRAW);
  gl.enableVertexAttribArray(0);
  gl.vertexAttribPointer(0, 2, gl.FLOAT, false, 0, 0);
  gl.drawArrays(gl.TRIANGLES, 0, 3);
  const pixels = new Uint8Array(4 * height * width);
  gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
  return Array.from(pixels);
}"""


@pytest.mark.soak
def test_the_table_and_the_formula_show_the_chosen_component(open_viewer, page):
    params = smooth_model(components=20)
    opened = open_viewer(params)
    page.get_by_role("button", name="Later rows").click()
    opened.settle()
    row = page.get_by_role("table").get_by_role("button", name="12", exact=True)
    row.focus()
    opened.settle()
    assert [opened.run("() => gmjax.session.chosen"), opened.run("() => gmjax.session.hovered")] == [None, 11]
    assert "No. 12 of 20" in page.locator(".panel").first.inner_text()
    row.click()
    opened.settle()
    assert opened.run("() => gmjax.session.chosen") == 11
    row = page.locator("tr.chosen").inner_text().replace("\N{MINUS SIGN}", "-").split()
    numbers = [params.weights[11], *params.means[11], *params.precision_chol[11]]
    np.testing.assert_allclose([float(text) for text in row[1:]], numbers, rtol=1e-3, atol=5e-5)
    lit = page.locator(".lit").all_text_contents()
    assert f"{abs(float(params.weights[11])):.4g}" in "".join(lit)
    opened.press("Shift+ArrowDown")
    after = page.locator("tr.chosen").inner_text().replace("\N{MINUS SIGN}", "-").split()
    assert float(after[2]) > float(row[2])


@pytest.mark.soak
def test_two_fingers_zoom_and_a_tap_chooses(open_viewer, page):
    opened = open_viewer(one_gaussian(), stage=(200, 200), shape=(100, 100))
    opened.run("""() => {
        const stage = document.querySelector(".stage"), box = stage.getBoundingClientRect();
        const touch = (kind, pointerId, x, y) => stage.dispatchEvent(new PointerEvent(kind, {
            pointerId, pointerType: "touch", clientX: box.left + x, clientY: box.top + y, bubbles: true,
        }));
        stage.setPointerCapture = () => {};
        touch("pointerdown", 1, 80, 100);
        touch("pointerup", 1, 80, 100);
        touch("pointerdown", 1, 20, 20);
        touch("pointerdown", 2, 40, 20);
        touch("pointermove", 2, 60, 20);
        touch("pointerup", 2, 60, 20);
        touch("pointerup", 1, 20, 20);
    }""")
    assert opened.run("() => gmjax.session.chosen") == 0
    view = opened.run("() => gmjax.stage.view")
    assert view["zoom"] == pytest.approx(4)
    # What was between the fingers stays between them: the column of pixel 30, now at pixel 40.
    assert view["center"][1] - 60 / (100 * 4) == pytest.approx(0.15)


@pytest.mark.soak
def test_buttons(open_viewer, page):
    params = smooth_model(components=4)
    opened = open_viewer(params, stage=(200, 200))
    chosen = "() => gmjax.session.chosen"
    opened.click("Next component")
    opened.click("Next component")
    opened.click("Previous component")
    assert opened.run(chosen) == 0
    opened.click("Delete")
    assert opened.model().num_components == 3
    assert page.get_by_role("button", name="Delete", exact=True).is_disabled()
    opened.click("Add")
    assert [opened.model().num_components, opened.run(chosen)] == [4, 3]
    opened.click("Done")
    assert opened.run(chosen) is None
    opened.click("Zoom in (+)")
    assert opened.run("() => gmjax.stage.view.zoom") == pytest.approx(200 / 120 * 1.25)
    opened.click("Zoom out (−)")  # noqa: RUF001
    assert opened.run("() => gmjax.stage.view.zoom") == pytest.approx(200 / 120)
    opened.click("?")
    opened.click("Close")
    assert not page.get_by_role("dialog").is_visible()


@pytest.mark.soak
def test_copy(open_viewer, page):
    opened = open_viewer(smooth_model(components=3))
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_label("copy as").select_option("JSON")
    opened.click("Copy")
    page.get_by_text("Copied as JSON").first.wait_for()
    assert len(json.loads(opened.run("() => navigator.clipboard.readText()"))["weights"]) == 3
    opened.run("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('no')); }")
    page.get_by_label("copy as").select_option("NumPy")
    opened.click("Copy")
    page.get_by_text("copy it with Ctrl+C").first.wait_for()
    assert opened.run("() => String(getSelection())").startswith('"""A picture as a sum of 3')
