"""Pages of small models, open in the browser."""

import base64

import numpy as np
import pytest

import gmjax
from gmjax import viewer
from tests.browser import open_html


class Viewer:
    """An open page, in a test's words."""

    def __init__(self, page):
        self.page = page

    def run(self, code, argument=None):
        return self.page.evaluate(code, argument)

    def settle(self):
        """Until what was changed is drawn, in full resolution."""
        self.page.evaluate("() => gmjax.settled()")

    def floats(self, shape) -> np.ndarray:
        """What the viewer computes for a picture of this shape, before it is clipped."""
        return self.numbers("([height, width]) => gmjax.drawFloats(height, width)", list(shape)).reshape(*shape, -1)

    def numbers(self, code, argument) -> np.ndarray:
        """What code returns as a Float32Array."""
        read = f"""(argument) => {{
            const bytes = new Uint8Array(({code})(argument).buffer), texts = [];
            for (let n = 0; n < bytes.length; n += 4096)
                texts.push(String.fromCharCode(...bytes.subarray(n, n + 4096)));
            return btoa(texts.join(""));
        }}"""
        return np.frombuffer(base64.b64decode(self.run(read, argument)), "<f4")

    def model(self) -> gmjax.GmFace:
        """The model on show."""
        read = """() => {
            const { weights, means, chol, channels, offset } = gmjax.session.model;
            return [weights, means, chol].map((part) => Array.from(part)).concat(channels, offset);
        }"""
        weights, means, chol, channels, offset = self.run(read)
        weights = np.float32(weights)
        return gmjax.GmFace(
            weights.reshape(-1, channels) if channels else weights,
            np.float32(means).reshape(-1, 2),
            np.float32(chol).reshape(-1, 3),
            float(offset),
        )

    def screenshot(self) -> np.ndarray:
        """The picture as the browser shows it, (H, W, 3) bytes."""
        import imageio.v3 as iio

        self.settle()
        return iio.imread(self.page.locator(".picture").screenshot())[..., :3]

    def press(self, *keys):
        for key in keys:
            self.page.locator(".stage").press(key)
        self.settle()

    def fill(self, label, value):
        field = self.page.get_by_label(label, exact=True).and_(self.page.get_by_role("spinbutton"))
        field.fill(str(value))
        field.press("Enter")
        self.settle()

    def slide(self, label, value):
        slider = self.page.get_by_label(label, exact=True).and_(self.page.get_by_role("slider"))
        slider.evaluate(
            """(input, value) => {
                input.value = value;
                for (const kind of ["input", "change"]) input.dispatchEvent(new Event(kind, { bubbles: true }));
            }""",
            value,
        )
        self.settle()

    def click(self, name):
        self.page.get_by_role("button", name=name, exact=True).click()
        self.settle()


@pytest.fixture
def open_viewer(page, tmp_path):
    """Opens the page of models, with a stage of a given size in pixels."""

    def open_(models, *, stage=None, **options) -> Viewer:
        path = tmp_path / "view.html"
        path.write_text(viewer.page(models, **options), encoding="utf-8")
        open_html(page, path)
        opened = Viewer(page)
        if stage is not None:
            height, width = stage
            size = f"width: {width}px; height: {height}px; border-radius: 0"
            page.locator(".stage").evaluate("(stage, size) => { stage.style.cssText = size; }", size)
            page.evaluate("() => new Promise(requestAnimationFrame)")
        opened.settle()
        return opened

    return open_


def smooth_model(channels=None, components=12, seed=0, offset=1.0) -> gmjax.GmFace:
    """A model whose picture uses all of [0, 1] and leaves it in places."""
    rng = np.random.default_rng(seed)
    weights = rng.normal(scale=0.4, size=(components,) if channels is None else (components, channels))
    means = rng.uniform(0, 1, size=(components, 2))
    chol = np.stack(
        [rng.uniform(2, 15, components), rng.normal(size=components) * 3, rng.uniform(2, 15, components)], -1
    )
    weights[0], means[0], chol[0] = 0.5, 0.5, (0.6, 0.1, 0.5)
    return gmjax.GmFace(*(np.float32(part) for part in (weights, means, chol)), offset)
