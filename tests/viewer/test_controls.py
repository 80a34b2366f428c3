"""How the page answers: touch, keys after a click, wrong numbers, what it says, and where the picture stays."""

import numpy as np
import pytest

import gmjax
from tests.viewer.conftest import smooth_model

TOUCH = """([points, kind]) => {
    const stage = document.querySelector(".stage"), box = stage.getBoundingClientRect();
    stage.setPointerCapture = () => {};
    points.forEach(([x, y], n) => {
        const type = n === 0 ? "pointerdown" : n === points.length - 1 ? "pointerup" : "pointermove";
        stage.dispatchEvent(new PointerEvent(type, {
            pointerId: 1, pointerType: kind, clientX: box.left + x, clientY: box.top + y, bubbles: true,
        }));
    });
}"""


def small_gaussian() -> gmjax.GmFace:
    """3.5 x 3.5 pixels of a stage of 200 x 200."""
    return gmjax.GmFace(np.float32([0.8]), np.float32([[0.5, 0.5]]), np.float32([[40, 0, 40]]), 0.5)


@pytest.mark.parametrize("kind", ["touch", pytest.param("mouse", marks=pytest.mark.soak)])
def test_the_centre_of_a_small_component_moves_it(open_viewer, kind):
    """The nearest handle wins; for a finger the others lie further out."""
    opened = open_viewer(small_gaussian(), stage=(200, 200), shape=(100, 100))
    opened.run(TOUCH, [[[100, 100], [100, 100]], kind])
    assert opened.run("() => gmjax.session.chosen") == 0
    opened.settle()
    opened.run(TOUCH, [[[100, 100], [110, 100], [120, 90], [120, 90]], kind])
    np.testing.assert_allclose(opened.model().means, [[0.45, 0.6]], atol=1e-6)
    np.testing.assert_array_equal(opened.model().precision_chol, small_gaussian().precision_chol)
    opened.settle()
    away = {"touch": 36, "mouse": 14}[kind]
    opened.run(
        TOUCH, [[[120 + away, 90], [120 + away, 90 + away / 2], [120 + 2 * away, 90], [120 + 2 * away, 90]], kind]
    )
    np.testing.assert_allclose(opened.model().means, [[0.45, 0.6]], atol=1e-6)
    assert opened.model().precision_chol[0, 2] == pytest.approx(20, rel=1e-3)


def test_a_drag_forgets_what_was_pointed_at(open_viewer, page):
    opened = open_viewer(small_gaussian(), stage=(200, 200), shape=(100, 100))
    box = page.locator(".stage").bounding_box()
    page.mouse.move(box["x"] + 101, box["y"] + 101)
    opened.settle()
    assert page.locator(".tag").is_visible()
    page.mouse.down()
    page.mouse.move(box["x"] + 150, box["y"] + 150)
    opened.settle()
    assert not page.locator(".tag").is_visible()
    assert opened.run("() => gmjax.session.hovered") is None
    page.mouse.up()
    page.mouse.move(box["x"] + 150, box["y"] + 149)
    opened.settle()
    assert page.locator(".tag").is_visible()
    page.mouse.wheel(0, -2000)
    page.wait_for_function("gmjax.stage.view.zoom > 10")
    page.mouse.wheel(0, 100)
    opened.settle()
    assert opened.run("() => gmjax.session.hovered") == 0


def test_keys_after_a_click_on_a_button(open_viewer, page):
    opened = open_viewer(smooth_model(components=3), stage=(100, 100))
    opened.click("Zoom in (+)")
    page.keyboard.press("]")
    page.keyboard.press("ArrowRight")
    opened.settle()
    assert opened.run("() => gmjax.session.chosen") == 0
    assert opened.run("() => gmjax.stage.view.center[1]") > 0.5
    page.keyboard.press("Escape")
    assert opened.run("() => gmjax.session.chosen") is None
    page.keyboard.press("?")
    assert page.get_by_role("dialog").is_visible()
    page.keyboard.press("]")
    page.keyboard.press("Escape")
    assert not page.get_by_role("dialog").is_visible()
    assert opened.run("() => gmjax.session.chosen") is None
    # Fields and sliders keep their own keys, and without a focus the arrows scroll the page.
    before = opened.model()
    page.get_by_label("longer side").press("a")
    page.get_by_label("right", exact=True).press("s")
    opened.run("() => document.activeElement.blur()")
    center = opened.run("() => gmjax.stage.view.center")
    page.keyboard.press("ArrowDown")
    assert opened.run("() => gmjax.stage.view.center") == center
    page.keyboard.press("]")
    assert opened.run("() => gmjax.session.chosen") == 0
    np.testing.assert_array_equal(opened.model().means, before.means)


def test_a_component_outside_the_view_is_brought_into_it(open_viewer):
    means, chol = np.float32([[0.1, 0.1], [0.9, 0.9], [1e30, 0]]), np.float32([[40, 0, 40]] * 3)
    opened = open_viewer(gmjax.GmFace(np.float32([1, 1, 1]), means, chol), stage=(100, 100), shape=(100, 100))
    opened.run("() => gmjax.stage.zoom(8, 10, 10)")
    center = opened.run("() => gmjax.stage.view.center")
    opened.press("]")
    assert opened.run("() => gmjax.stage.view.center") == center
    opened.press("]")
    np.testing.assert_allclose(opened.run("() => gmjax.stage.view.center"), [0.9, 0.9])
    opened.press("]")
    np.testing.assert_allclose(opened.run("() => gmjax.stage.view.center"), [0.9, 0.9])


def test_wrong_numbers_are_refused(open_viewer, page):
    opened = open_viewer(small_gaussian(), shape=(100, 100))
    opened.press("]")
    alert = page.get_by_role("alert").first
    assert not alert.is_visible()
    long = page.get_by_label("long px", exact=True)
    before = long.input_value()
    for label, value, problem in (
        ("long px", "0", "long must be a number above 0, not 0"),
        ("L₁₁", "-5", "L₁₁ must be a number above 0, not \N{MINUS SIGN}5"),
        ("row μ₁", "", "row μ₁ must be a number"),
    ):
        field = page.get_by_label(label, exact=True)
        old = field.input_value()
        opened.fill(label, value)
        assert alert.inner_text().startswith(problem)
        assert field.get_attribute("aria-invalid") == "true"
        assert field.input_value() == old
    np.testing.assert_array_equal(opened.model().means, small_gaussian().means)
    np.testing.assert_array_equal(opened.model().precision_chol, small_gaussian().precision_chol)
    opened.fill("row μ₁", "0.25")
    assert not alert.is_visible()
    assert page.get_by_label("row μ₁").get_attribute("aria-invalid") == "false"
    assert long.input_value() == before


def test_the_size_of_a_saved_picture_is_checked(open_viewer, page):
    opened = open_viewer(small_gaussian(), shape=(100, 100))
    side, saves = page.get_by_label("longer side"), []
    page.on("download", lambda download: saves.append(download))
    for value in ("", "0", "-5", "1.5", "99999"):
        side.fill(value)
        opened.click("Save PNG")
        assert page.get_by_role("alert").last.inner_text() == "The longer side must be a whole number from 1 to 8192"
        assert side.get_attribute("aria-invalid") == "true"
    side.fill("64")
    assert not page.get_by_role("alert").last.is_visible()
    opened.run("() => { HTMLCanvasElement.prototype.toBlob = (done) => window.seen.then(() => done(null)); }")
    opened.run("() => { window.seen = new Promise((resolve) => { window.saw = resolve; }); }")
    save, note = page.get_by_role("button", name="Save PNG"), page.locator(".main .note")
    save.click()
    assert note.inner_text() == "Drawing 64 by 64 pixels ..."
    assert save.is_disabled()
    opened.run("() => window.saw()")
    page.get_by_text("This browser cannot draw 64 by 64 pixels").first.wait_for()
    assert save.is_enabled()
    assert not saves


def test_what_is_saved_of_fewer_components(open_viewer, page):
    opened = open_viewer(smooth_model(components=6))
    texts = "() => Array.from(document.querySelectorAll('.panel:nth-last-of-type(2) button'), (one) => one.textContent)"
    assert opened.run(texts) == ["Save model", "Save PNG", "Copy"]
    opened.slide("components", 2)
    assert opened.run(texts) == [
        "Save model (all 6 components)",
        "Save PNG (2 components)",
        "Copy (all 6 components)",
    ]
    with page.expect_download():
        opened.click("Save model (all 6 components)")
    assert page.locator(".main .note").inner_text() == "The model was saved, all 6 components"


@pytest.mark.parametrize("width", [1280, 390])
def test_the_table_of_a_gray_model_fits(page, open_viewer, published, width):
    page.set_viewport_size({"width": width, "height": 800})
    open_viewer(published)
    assert page.locator(".scroll").evaluate("(box) => box.scrollWidth <= box.clientWidth")


def test_on_a_phone_the_picture_stays(page, open_viewer):
    page.set_viewport_size({"width": 390, "height": 700})
    opened = open_viewer(smooth_model(components=3), shape=(100, 100))
    assert page.locator(".stage").bounding_box()["height"] <= 350
    page.get_by_label("turn", exact=True).scroll_into_view_if_needed()
    page.get_by_label("turn", exact=True).evaluate("(slider) => scrollBy(0, slider.getBoundingClientRect().top - 500)")
    opened.settle()
    assert opened.run("() => scrollY") > 300
    stage, slider = page.locator(".stage").bounding_box(), page.get_by_label("turn", exact=True).bounding_box()
    assert stage["y"] == pytest.approx(0, abs=1)
    assert slider["y"] > stage["y"] + stage["height"]


def test_notes_go_and_changes_are_spoken(open_viewer, page):
    page.clock.install()
    open_viewer(small_gaussian(), shape=(100, 100))
    status = page.get_by_role("status")

    def later(milliseconds):
        page.clock.run_for(milliseconds)

    page.locator(".stage").press("]")
    later(200)
    assert "weight +0.8," in status.inner_text()
    page.locator(".stage").press("w")
    later(2000)
    assert "weight +0.82," in status.inner_text()
    note = page.locator(".main .note")
    with page.expect_download():
        page.get_by_role("button", name="Save model").click()
    assert note.is_visible()
    later(9000)
    assert not note.is_visible()
