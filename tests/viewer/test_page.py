"""The page as a file: self-contained, small, safe with hostile text, for every screen, and what it refuses."""

import json
import re

import numpy as np
import pytest

import gmjax
from gmjax import viewer
from gmjax.commands import main
from gmjax.data import write_picture
from gmjax.errors import ArgumentError, ArgumentTypeError
from gmjax.viewer.bundle import bundle, text_of
from tests.browser import open_html
from tests.viewer.conftest import Viewer, smooth_model

HOSTILE = (
    "</script><script>window.broken = 1</script>",
    "<img src=x onerror='window.broken = 1'>",
    "{{script}}{{data}}",
    "'\"`${window.broken = 1}\\u003c\u2028\u2029\x00",
    "--><!--<script>",
)


def test_it_is_small_and_asks_nothing_of_the_network(published):
    page = viewer.page(published)
    assert len(page.encode()) < 250_000
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    sources = set(re.findall(r"https?://[^\"'\s)]*", page))
    assert sources <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1998/Math/MathML"}  # names, not addresses


def test_the_policy_stops_other_scripts_and_styles(browser, tmp_path, published):
    path = tmp_path / "view.html"
    text = viewer.page(published)
    path.write_text(text.replace("</body>", "<script>window.broken = 1</script></body>"), encoding="utf-8")
    messages = []
    context = browser.new_context()
    other = context.new_page()
    other.on("console", lambda message: messages.append(message.text))
    open_html(other, path)
    assert other.evaluate("() => [window.broken, typeof window.gmjax]") == [None, "object"]
    assert any("Content Security Policy" in text for text in messages)
    context.close()


@pytest.mark.parametrize("text", [HOSTILE[0], *(pytest.param(text, marks=pytest.mark.soak) for text in HOSTILE[1:])])
def test_hostile_text_is_shown_as_text(open_viewer, page, text):
    params = smooth_model(components=3)
    opened = open_viewer([params, params], names=[text, "other"], about=[{"source": text, text: "x"}, {}])
    assert opened.run("() => window.broken") is None
    seen = "() => [document.querySelector('h1'), document.querySelector('option')].map((node) => node.textContent)"
    assert opened.run(seen) == [text, text]
    about = "() => Array.from(document.querySelectorAll('dt, dd'), (node) => node.textContent)"
    assert set(opened.run(about)) == {"source", "x", text}
    with page.expect_download() as started:
        opened.click("Save model")
    assert re.fullmatch(r"[\w.-]+\.edited\.safetensors", started.value.suggested_filename)


@pytest.mark.parametrize(
    ("scheme", "width"),
    [
        ("light", 1280),
        ("dark", 390),
        *(pytest.param(*other, marks=pytest.mark.soak) for other in (("light", 390), ("dark", 1280))),
    ],
)
def test_every_screen_and_scheme(page, tmp_path, published, scheme, width):
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme)
    path = tmp_path / "view.html"
    path.write_text(viewer.page([published, published]), encoding="utf-8")
    open_html(page, path)
    opened = Viewer(page)
    opened.press("]")
    assert opened.run("() => document.documentElement.scrollWidth") == width
    stage = page.locator(".stage").bounding_box()
    assert stage["width"] == pytest.approx(stage["height"], abs=1)
    assert stage["width"] > 0.4 * min(width, 800)
    # Everything that is not wider than its own scrolling box lies on the screen.
    outside = """() => Array.from(document.querySelectorAll("button, input, select, h1, h2")).filter((node) => {
        const box = node.getBoundingClientRect();
        return box.width && !node.closest(".scroll") && (box.left < 0 || box.right > innerWidth);
    }).length"""
    assert opened.run(outside) == 0
    assert contrast(opened, "h1", ".gmjax-viewer") > 7
    assert contrast(opened, ".hint", ".gmjax-viewer") > 4.5
    assert contrast(opened, "button.primary", "button.primary") > 4.5
    assert contrast(opened, ".lit", ".gmjax-viewer") > 3
    is_dark = sum(color(opened, ".gmjax-viewer", "backgroundColor")) < 300
    assert is_dark == (scheme == "dark")


def color(opened, selector, name) -> list[float]:
    read = "([selector, name]) => getComputedStyle(document.querySelector(selector))[name]"
    return [float(part) for part in re.findall(r"[\d.]+", opened.run(read, [selector, name]))][:3]


def contrast(opened, text, behind) -> float:
    """The contrast ratio of WCAG."""

    def luminance(rgb):
        linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in np.array(rgb) / 255]
        return np.dot([0.2126, 0.7152, 0.0722], linear) + 0.05

    pair = luminance(color(opened, text, "color")), luminance(color(opened, behind, "backgroundColor"))
    return max(pair) / min(pair)


@pytest.mark.soak
def test_every_control_has_a_name_and_is_reached_by_tab(open_viewer, page):
    opened = open_viewer(smooth_model(components=3), picture=np.zeros((20, 20), np.float32))
    opened.press("]")
    nameless = """() => Array.from(document.querySelectorAll("button, input, select, textarea")).filter((node) =>
        !(node.getAttribute("aria-label") || node.textContent.trim() || node.labels?.length)).length"""
    assert opened.run(nameless) == 0
    page.locator("body").click(position={"x": 1, "y": 1})
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(opened.run("() => document.activeElement.textContent + document.activeElement.id"))
    controls = "() => document.querySelectorAll('button:enabled, input, select').length"
    assert len(reached) >= opened.run(controls) - 3  # some have the same text


@pytest.mark.soak
def test_two_viewers_live_beside_each_other(page, tmp_path):
    """As in a notebook: everything stays inside the element, and nothing is left when it goes."""
    described = viewer.description(smooth_model(components=3))
    path = tmp_path / "two.html"
    path.write_text(
        f"""<!DOCTYPE html><html><head><meta charset="utf-8"><style>{text_of("style.css")}</style></head>
        <body><div id="a"></div><div id="b"></div><script type="module">{bundle("app")}
        const {{ models, options }} = {json.dumps(described)};
        window.views = ["a", "b"].map((id) => createViewer(document.getElementById(id), models, options));
        </script></body></html>""",
        encoding="utf-8",
    )
    open_html(page, path)
    page.locator("#a .stage").press("]")
    page.evaluate("() => Promise.all(views.map((view) => view.settled()))")
    assert page.evaluate("() => views.map((view) => view.session.chosen)") == [0, None]
    assert page.evaluate("() => document.body.children.length") == 3
    page.evaluate("() => views[0].destroy()")
    assert page.evaluate(
        "() => [document.getElementById('a').childNodes.length, views[1].drawFloats(2, 2).length]"
    ) == [0, 4]


def test_the_bundle_exports_what_its_entry_exports():
    assert bundle("app").endswith("export { createViewer };\n")
    assert not re.search(r"^export ", bundle("page"), re.MULTILINE)


def test_a_batch_is_several_models(published):
    described = viewer.description(gmjax.stack([published, published, published]))
    assert [model["name"] for model in described["models"]] == ["model 1", "model 2", "model 3"]


def test_names_of_any_bytes(published):
    assert "\\ud800" in viewer.page(published, names=["\ud800"])


def test_what_falls_between_the_pixels_has_no_order_by_error():
    thin = gmjax.GmFace(np.float32([1]), np.float32([[0.503, 0.503]]), np.float32([[1e5, 0, 1e5]]))
    assert viewer.description(thin)["models"][0]["order_by_error"] is None


def test_refusals(published, unchecked):
    color = smooth_model(3)
    for arguments, problem in (
        (([],), "models is empty"),
        (([published, color],), "models must be all gray or all in colour"),
        ((smooth_model(2),), "models have 2 channels"),
        ((gmjax.GmFace(published.weights * np.nan, published.means, published.precision_chol),), "models holds one"),
    ):
        with pytest.raises(ArgumentError, match=problem):
            viewer.page(*arguments)
    for options, problem in (
        ({"names": ["a", "b"]}, "names must have one entry for each of 1 models; got 2"),
        ({"about": []}, "about must have one entry"),
        ({"picture": np.zeros((3, 3, 2), np.float32)}, "picture must have the shape"),
        ({"picture": np.zeros((3, 3), np.uint8)}, "picture must hold finite floats"),
        ({"picture": np.full((3, 3), np.nan)}, "picture must hold finite floats"),
        ({"shape": (0, 3)}, "shape must be"),
    ):
        with pytest.raises(ArgumentError, match=problem):
            viewer.page(published, **options)
    with pytest.raises(ArgumentTypeError, match="not dict"):
        viewer.page([{}])


def test_the_command(tmp_path, monkeypatch, capsys, published):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(main, "_keep_compiled_programs", lambda: None)
    gmjax.save("a.safetensors", published, {"height": "30", "width": "20", "source": "<b>me</b>"})
    gmjax.save("color.safetensors", smooth_model(3))
    write_picture("picture.png", np.asarray(gmjax.render(published, (24, 24))))
    assert main.main(["view", "a.safetensors"]) == 0
    assert capsys.readouterr().out == "view.html: open it in a browser\n"
    text = (tmp_path / "view.html").read_text("utf-8")
    assert '"shape":[30,20]' in text
    assert "\\u003cb\\u003eme" in text
    assert "<title>&lt;b&gt;me&lt;/b&gt; - gmjax</title>" in text
    assert main.main(["view", "a.safetensors", "--picture", "picture.png"]) == 2
    assert "picture.png has 24 x 24 pixels, and the model was fitted to 30 x 20" in capsys.readouterr().err
    fitted_to_another = {"height": "24", "width": "24", "picture_sha256": "0", "source": "me.jpg"}
    gmjax.save("other.safetensors", published, fitted_to_another)
    assert main.main(["view", "other.safetensors", "--picture", "picture.png"]) == 2
    assert "picture.png is not the picture that was fitted" in capsys.readouterr().err
    gmjax.save("a.safetensors", published)
    assert main.main(["view", "a.safetensors", "other.safetensors", "--picture", "picture.png", "--out", "b.html"]) == 0
    text = (tmp_path / "b.html").read_text("utf-8")
    assert '"shape":[24,24]' in text
    assert "<title>a - gmjax</title>" in text
    assert '"name":"me"' in text
    assert "data:image/png;base64," in text
    assert main.main(["view", "a.safetensors", "color.safetensors"]) == 2
    assert "models that are all gray or all in colour" in capsys.readouterr().err
    (tmp_path / "photos").mkdir()
    write_picture("photos/picture.png", np.zeros((8, 8)))
    assert main.main(["fit", "photos", "--aligned", "--view"]) == 2
    assert "--view is for one picture" in capsys.readouterr().err
    assert main.main(["view"]) == 2
    assert "MODEL is needed" in capsys.readouterr().err
