"""gmf.js decodes what Python decodes, refuses what Python refuses, and draws what ``gmjax.render`` draws."""

import base64
import io
import re
from importlib import resources
from pathlib import Path
from random import Random

import jax
import numpy as np
import pytest
from PIL import Image

import gmjax
from gmjax.files import gmf
from gmjax.files.gmf import Compact, Steps, decode, encode, to_model
from gmjax.files.gmf_layers import Layer
from gmjax.files.range_coder import CompactFileError
from tests.browser import READ_FLOATS, open_html
from tests.files.compact_files import random_compact
from tests.reliability.mutations import mutated

MODULE = resources.files("gmjax").joinpath("viewer/js/gmf.js")
DOCUMENT = Path(__file__).parents[2] / "docs" / "format.md"
pytestmark = pytest.mark.usefixtures("unchecked")

SIZES = {"height": 15, "width": 11}
# Draws into textures of floats, which a canvas cannot hold.
FLOATS = (
    """
const {height, width} = size, canvas = document.createElement("canvas");
const gl = canvas.getContext("webgl2");
gl.getExtension("EXT_color_buffer_float");
gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
gl.texStorage2D(gl.TEXTURE_2D, 1, gl.RGBA32F, width, height);
const texture = gl.getParameter(gl.TEXTURE_BINDING_2D);
gl.bindFramebuffer(gl.FRAMEBUFFER, gl.createFramebuffer());
gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
const found = [];
for (const text of texts) {
  gmf.draw(canvas, gmf.decode(gmf.fromBase64(text)), size);
"""
    + READ_FLOATS
    + """  found.push(Array.from(pixels));
}
return found;
"""
)


def as_text(content: bytes) -> str:
    return base64.b64encode(content).decode()


@pytest.fixture
def module(page):
    """Runs JavaScript with the module as ``gmf`` and the arguments by name."""
    source = "data:text/javascript;base64," + as_text(MODULE.read_bytes())
    page.goto("about:blank")

    def run(script: str, **arguments):
        names = ", ".join(arguments)
        code = f"async ([source, {{{names}}}]) => {{ const gmf = await import(source); {script} }}"
        return page.evaluate(code, [source, arguments])

    return run


@pytest.fixture(scope="module")
def files() -> list[bytes]:
    """Files that can be drawn, then some with any integers."""
    return [encode(random_compact(seed, most=30)) for seed in range(16)] + [
        encode(random_compact(seed, extreme=True, most=30)) for seed in range(16)
    ]


def models(files: list[bytes]) -> list[gmjax.GmFace]:
    with jax.enable_x64(True):
        return [jax.tree.map(np.asarray, to_model(decode(content))) for content in files]


def test_size():
    """Small enough to stand in every page."""
    assert len(MODULE.read_bytes()) < 20_000


def test_integers(module, files):
    script = "return texts.map(text => gmf.decodeIntegers(gmf.fromBase64(text)))"
    for content, found in zip(files, module(script, texts=list(map(as_text, files))), strict=True):
        compact = decode(content)
        steps = compact.steps
        names = ("height", "width", "channels", "offset", "classes", "position", "weight", "chroma", "gain")
        expected = (*compact.shape, compact.channels or 1, compact.offset, steps.classes, steps.position)
        expected += (steps.weight, steps.chroma, compact.gain)
        assert tuple(found[name] for name in names) == expected
        for layer, components in zip(compact.layers, found["layers"], strict=True):
            assert [component["width"] for component in components] == layer.widths.tolist()
            assert [[component["row"], component["column"]] for component in components] == layer.cells.tolist()
            assert [component["stretch"] for component in components] == layer.stretches.tolist()
            assert [component["weights"] for component in components] == layer.weights.tolist()


def test_models(module, files):
    script = """
    return texts.map(text => {
      const model = gmf.decode(gmf.fromBase64(text)), {count, channels, offset} = model;
      return [count, channels, offset, ...["weights", "means", "precisionChol"].map(name => Array.from(model[name]))];
    });"""
    for params, found in zip(models(files), module(script, texts=list(map(as_text, files))), strict=True):
        count, channels, offset, weights, means, chol = found
        assert (count, channels, offset) == (params.num_components, params.channels or 1, params.offset)
        # Sums of three numbers are as exact as these are.
        largest = np.abs(params.weights).reshape(count, -1).max(axis=1, keepdims=True)
        weights = np.reshape(weights, (count, channels))
        assert (np.abs(weights - params.weights.reshape(count, -1)) <= 1e-12 * largest).all()
        # Centres near 0 are differences of numbers that are as large as the picture, or as its longer side.
        np.testing.assert_allclose(np.reshape(means, (count, 2)), params.means, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(np.reshape(chol, (count, 3)), params.precision_chol, rtol=1e-12)


def test_bytes_and_text(module, files):
    """An ArrayBuffer as it comes from the network; text that is no compact file is refused by name."""
    script = """
    const bytes = gmf.fromBase64(text), messages = [];
    for (const bad of ["%%%", "abcde", "", "aGVsbG8="]) {
      try {
        gmf.show(document.createElement("img"), bad);
      } catch (error) {
        messages.push(error instanceof DOMException ? "" : error.message);
      }
    }
    return [gmf.decode(bytes).count, gmf.decode(bytes.buffer).count, messages];"""
    first, second, messages = module(script, text=as_text(files[0]))
    assert first == second == to_model(decode(files[0])).num_components
    assert messages == [
        "The compact file is not in base64",
        "The compact file is not in base64",
        "The compact file is truncated: it ends within its header or a layer",
        "The compact file is none: it does not begin with the magic number",
    ]


def test_the_documented_page(browser, tmp_path, files):
    """A bad face does not stop the next one, and a photograph that does not arrive keeps its place."""
    example = re.search(r"```html\n(<style>.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)[1]
    image = re.search(r"<img [^>]*>", example)[0]
    images = "\n".join(image.replace("02cpGBRI...", text) for text in ("%%%", as_text(files[0])))
    module = "data:text/javascript;base64," + as_text(MODULE.read_bytes())
    (tmp_path / "page.html").write_text("<!DOCTYPE html>" + example.replace(image, images).replace("./gmf.js", module))
    page, warnings = browser.new_page(), []
    page.on("console", lambda message: warnings.append(message.text) if message.type == "warning" else None)
    open_html(page, tmp_path / "page.html")
    page.wait_for_function("document.querySelectorAll('img')[1].style.background")
    assert "is not in base64" in "".join(warnings)
    page.wait_for_function("Array.from(document.images).every((image) => image.complete && !image.naturalWidth)")
    sizes = page.evaluate("() => Array.from(document.images, (image) => [image.offsetWidth, image.offsetHeight])")
    assert sizes == [[480, 640], [480, 640]]
    page.close()


def test_published_common_face(module):
    """The base is the published face."""
    nothing = Layer(*(np.zeros((1, *shape), int) for shape in ((), (2,), (2,), (1,))))
    content = encode(Compact((120, 120), None, Steps(), (nothing,), gain=128))
    script = """
    const model = gmf.decode(gmf.fromBase64(text));
    return ["weights", "means", "precisionChol"].map(name => Array.from(model[name]));"""
    with jax.enable_x64(True):
        published = gmjax.published_common_face()
    for found, leaf in zip(module(script, text=as_text(content)), jax.tree.leaves(published), strict=True):
        np.testing.assert_allclose(found[: leaf.size], np.ravel(leaf), rtol=1e-15)


@pytest.mark.soak
def test_refuses_what_python_refuses(module, files):
    """Damaged and truncated files: the same ones, or the same integers."""
    random = Random(0)
    small = [content for content in files if len(content) < 400]
    changed = [mutated(random.choice(small), random, small) for _ in range(200)]
    changed += [small[0][:size] for size in range(len(small[0]))] + [b"", b"\xd3g\x40", bytes(gmf.MAX_BYTES + 1)]
    script = """
    return texts.map(text => {
      try {
        const model = gmf.decode(gmf.fromBase64(text));
        return [model.count, ...model.weights.slice(0, 3)];
      } catch (error) {
        return error.message;
      }
    });"""
    refused = 0
    for content, found in zip(changed, module(script, texts=list(map(as_text, changed))), strict=True):
        try:
            with jax.enable_x64(True):
                params = to_model(decode(content))
        except CompactFileError:
            params = None
        if params is None:
            refused += 1
            assert str(found).startswith("The compact file ")
        else:
            assert found[0] == params.num_components
            np.testing.assert_allclose(found[1:], np.ravel(params.weights)[:3], rtol=1e-9, atol=1e-9)
    assert 60 < refused < len(changed) - 15


def test_numbers_drawn(module, files):
    """As floats, by WebGL2 and without it, as ``gmjax.render`` draws them."""
    files = files[:16]
    shape = SIZES["height"], SIZES["width"]
    plain = module(
        "return texts.map(text => Array.from(gmf.render(gmf.decode(gmf.fromBase64(text)), size)))",
        texts=list(map(as_text, files)),
        size=SIZES,
    )
    drawn = module(FLOATS, texts=list(map(as_text, files)), size=SIZES)
    for content, numbers, pixels in zip(files, plain, drawn, strict=True):
        with jax.enable_x64(True):
            params = to_model(decode(content))
            expected = np.asarray(gmjax.render(params, shape)).reshape(*shape, -1)
        scale = max(1, np.abs(np.asarray(params.weights)).max())
        np.testing.assert_allclose(np.reshape(numbers, expected.shape), expected, atol=1e-10 * scale)
        colors = np.reshape(pixels, (*shape, 4))[::-1, :, :3]
        np.testing.assert_allclose(colors, np.broadcast_to(expected, colors.shape), atol=1e-5 * scale)


@pytest.mark.soak
@pytest.mark.parametrize("webgl", [True, False])
def test_pictures_drawn(module, files, webgl):
    """Through a PNG of the canvas; the program is compiled once."""
    texts = list(map(as_text, files[:6]))
    script = """
    const canvas = document.createElement("canvas");
    let programs = 0;
    const create = WebGL2RenderingContext.prototype.createProgram;
    WebGL2RenderingContext.prototype.createProgram = function () { programs++; return create.call(this); };
    if (!webgl) canvas.getContext("2d");
    const pictures = texts.map(text => {
      gmf.draw(canvas, gmf.decode(gmf.fromBase64(text)), size);
      return canvas.toDataURL();
    });
    WebGL2RenderingContext.prototype.createProgram = create;
    return [programs, pictures];"""
    programs, pictures = module(script, texts=texts, size=SIZES, webgl=webgl)
    assert programs == int(webgl)
    for content, picture in zip(files, pictures, strict=False):
        params = to_model(decode(content))
        drawn = pixels_of(picture)
        assert drawn.shape == (SIZES["height"], SIZES["width"], 3)
        expected = np.clip(np.asarray(gmjax.render(params, drawn.shape[:2])), 0, 1)
        expected = expected if expected.ndim == 3 else expected[..., None]
        np.testing.assert_allclose(drawn / 255, np.broadcast_to(expected, drawn.shape), atol=0.6 / 255)


def pixels_of(url: str) -> np.ndarray:
    content = base64.b64decode(url.partition("base64,")[2])
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"), int)


@pytest.mark.soak
def test_show(module, files):
    """Behind an image until the photograph has arrived; in a canvas; never larger than 512 pixels by default."""
    photograph = io.BytesIO()
    Image.new("RGB", (4, 6), (200, 100, 50)).save(photograph, "png")
    script = """
    const image = document.createElement("img"), canvas = document.createElement("canvas");
    const ready = document.createElement("img");
    gmf.show(image, text);
    gmf.show(canvas, large);
    const before = image.style.background;
    image.src = ready.src = photograph;
    await Promise.all([image, ready].map(one => one.decode()));
    await new Promise(done => setTimeout(done, 20));
    gmf.show(ready, text);
    return [before, image.style.background, ready.style.background, canvas.height, canvas.width];"""
    large = next(
        content for content in files if max(decode(content).shape) == 65535 and min(decode(content).shape) > 500
    )
    url = "data:image/png;base64," + as_text(photograph.getvalue())
    before, after, ready, height, width = module(script, text=as_text(files[0]), large=as_text(large), photograph=url)
    shape = decode(files[0]).shape
    drawn = pixels_of(before.partition('url("')[2].partition('")')[0])
    assert drawn.shape == (*shape, 3)
    expected = np.clip(np.asarray(gmjax.render(to_model(decode(files[0])), shape)), 0, 1)
    expected = expected if expected.ndim == 3 else expected[..., None]
    np.testing.assert_allclose(drawn / 255, np.broadcast_to(expected, drawn.shape), atol=1 / 255)
    assert (after, ready) == ("", "")
    assert max(height, width) == 512
