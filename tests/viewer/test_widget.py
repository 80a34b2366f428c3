"""The viewer in a notebook: a stand-in for the notebook calls the module as anywidget does."""

import json

import numpy as np
import pytest

import gmjax

pytest.importorskip("anywidget", reason="anywidget is not installed (extra notebook)")

NOTEBOOK = """<!doctype html>
<meta charset="utf-8">
<style>STYLE</style>
<div id="cell"></div>
<script id="state" type="application/json">STATE</script>
<script type="module">
MODULE
window.state = JSON.parse(document.getElementById("state").textContent);
const model = {
  get: (name) => window.state[name],
  set: (name, value) => (window.state[name] = value),
  save_changes: () => (window.saved = (window.saved ?? 0) + 1),
};
window.end = render({ model, el: document.getElementById("cell") });
</script>
"""


def test_what_is_edited_comes_back(page, tmp_path, color_model):
    widget = gmjax.view(color_model)
    assert widget.params is color_model
    module = widget._esm.replace("export { render };\n", "").replace("export default { render };\n", "")
    state = json.dumps({"models": widget.models, "options": widget.options}).replace("<", "\\u003c")
    path = tmp_path / "notebook.html"
    path.write_text(NOTEBOOK.replace("STATE", state).replace("MODULE", module).replace("STYLE", widget._css))
    page.goto(path.as_uri())
    page.get_by_role("button", name="Add", exact=True).click()
    page.wait_for_function("window.saved > 0")
    widget.edited = page.evaluate("window.state.edited")
    assert widget.params.num_components == 6
    np.testing.assert_allclose(widget.params.means[:5], color_model.means, atol=1e-6)
    np.testing.assert_allclose(widget.params.weights[:5], color_model.weights, rtol=1e-6)
    # The wheel scrolls the notebook, and zooms with Ctrl.
    stage = page.locator(".stage")
    drawn = page.evaluate("() => document.querySelector('.over').toDataURL()")
    wheel = """(stage, ctrlKey) => !stage.dispatchEvent(
        new WheelEvent("wheel", { deltaY: -200, clientX: 300, clientY: 300, ctrlKey, cancelable: true }))"""
    assert not stage.evaluate(wheel, False)
    assert page.get_by_text("Ctrl + wheel zooms").is_visible()
    assert stage.evaluate(wheel, True)
    page.wait_for_function("(drawn) => document.querySelector('.over').toDataURL() !== drawn", arg=drawn)
    page.evaluate("window.end()")
    assert page.evaluate("document.getElementById('cell').children.length") == 0


def test_a_model_shows_its_picture(model, color_model):
    for one in (model, color_model, gmjax.stack([model, model])):
        shown = one._repr_html_()
        assert "data:image/png;base64,iVBOR" in shown
        assert "5 components" in shown
    assert "a batch (2,)" in shown
