"""Components of every profile are drawn, moved, written and saved as in Python."""

import base64
import dataclasses
import json

import numpy as np
import pytest

import gmjax
from gmjax import export, viewer
from gmjax.profiles import PROFILES, Profile
from gmjax.viewer import kinds
from tests.test_profiles import NAMES, model
from tests.viewer.test_drawing import NO_WEBGL2, assert_shows

SHAPE = 120, 90
CASES = [("mexican_hat", ()), ("hermite2", (3,)), ("gabor", ()), ("cauchy", (3,))]
OTHERS = [pytest.param(name, (), marks=pytest.mark.soak) for name in NAMES if name not in dict(CASES)]


def differs(opened, params, shape=SHAPE) -> float:
    return np.abs(opened.floats(shape) - np.asarray(gmjax.render(params, shape)).reshape(*shape, -1)).max()


def saved(opened, path) -> gmjax.Atoms:
    with opened.page.expect_download() as started:
        opened.click("Save model")
    started.value.save_as(path)
    return gmjax.load(path)


@pytest.mark.parametrize(("name", "channels"), [*CASES, *OTHERS])
def test_they_are_drawn_moved_written_and_saved(open_viewer, page, tmp_path, name, channels):
    params = model(name, m=5, channels=channels)
    opened = open_viewer(params, shape=SHAPE, stage=SHAPE, about=[{"height": "120", "width": "90"}])
    assert_shows(opened.screenshot(), params, SHAPE)
    assert differs(opened, params) < 1e-5
    page.get_by_text("Show the code").click()
    for language in ("LaTeX", "GLSL", "NumPy", "JSON"):
        page.get_by_label("copy as").select_option(language)
        opened.settle()
        written = page.get_by_label("The formula as code").input_value()
        assert written == export.to_text(params, language.lower(), shape=SHAPE)
    opened.slide("turn", 50)
    moved = gmjax.rotate(params, np.radians(50), aspect=90 / 120)
    assert differs(opened, moved) < 1e-5
    found = saved(opened, tmp_path / "moved.safetensors")
    assert found.profile is params.profile
    np.testing.assert_allclose(found.weights, moved.weights, atol=1e-5)
    np.testing.assert_allclose(found.parameters, moved.parameters, atol=1e-5)


@pytest.mark.soak
@pytest.mark.parametrize("name", NAMES)
def test_without_webgl2_the_same_is_drawn(open_viewer, page, name):
    page.add_init_script(NO_WEBGL2)
    params = model(name, channels=(3,))
    opened = open_viewer(params, stage=SHAPE, shape=SHAPE)
    assert_shows(opened.screenshot(), params, SHAPE)
    assert differs(opened, params) < 1e-5


def test_a_component_is_edited(open_viewer, page):
    """Its numbers; and what is inside of its ellipse turns and grows with it."""
    params = model("hermite1", m=1)
    opened = open_viewer(params, shape=(100, 100))
    opened.press("]")
    for label, value in (("w₁", 0.25), ("w₂", -0.5), ("w₃", 0.125), ("row μ₁", 0.5), ("column μ₂", 0.5)):
        opened.fill(label, value)
    read = """() => {
        const { componentOf, weights, means, chol } = gmjax.session.model;
        return [weights, means, chol].map((part) => Array.from(part));
    }"""
    weights, means, chol = opened.run(read)
    assert (weights, means) == ([0.25, -0.5, 0.125], [0.5, 0.5])
    edited = params.replace(weights=np.float32([weights]), means=np.float32([means]), precision_chol=np.float32([chol]))
    assert differs(opened, edited) < 1e-5
    opened.press("r", "r")
    assert differs(opened, gmjax.rotate(edited, 0.1)) < 1e-5
    opened.press("s")
    assert differs(opened, gmjax.scale(gmjax.rotate(edited, 0.1), 1 / 1.05, (0.5, 0.5))) < 1e-5
    opened.slide("weight", 0.75)
    assert opened.run(read)[0][0] == pytest.approx(0.75)
    opened.press("a", "e")
    assert opened.run("() => gmjax.session.model.weights.length") == 6
    assert page.get_by_text("ψ₂ = ψ₁*u").is_visible()


def test_the_notebook_gets_them_back():
    pytest.importorskip("anywidget", reason="anywidget is not installed (extra notebook)")
    params = model("gabor", channels=(3,))
    widget = gmjax.view(params)
    names = ("weights", "means", "precision_chol", "parameters")
    tensors = {name: np.asarray(getattr(params, name), "<f8") for name in names}
    widget.edited = {name: base64.b64encode(tensor.tobytes()).decode() for name, tensor in tensors.items()}
    assert widget.params.profile is params.profile
    for name in names:
        np.testing.assert_array_equal(getattr(widget.params, name), getattr(params, name))


def test_each_profile_has_its_entry():
    text = kinds.module()
    assert all(f'\n"{name}": {{ noun: ' in text for name in ("GmFace", *PROFILES)[1:])
    assert all(profile.turn is None or f'turn: "{kinds._turn(profile)}"' in text for profile in PROFILES.values())


def test_refusals():
    own = dataclasses.replace(model("gaussian"), profile=Profile("bump", 1, lambda u, v: u))
    with pytest.raises(gmjax.ArgumentError, match="the profile bump, a function of your own, which a page cannot draw"):
        viewer.page(own)
    with pytest.raises(gmjax.ArgumentError, match="of one profile"):
        viewer.page([model("cauchy"), model("sech")])
    with pytest.raises(gmjax.ArgumentError, match="of one profile"):
        viewer.page([model("gaussian"), gmjax.published_common_face()])
    described = viewer.description([model("cauchy"), model("cauchy")])
    assert json.dumps(described["options"]["header"]).count("gmjax.Atoms") == 1
    assert described["models"][0]["order_by_error"] is None
