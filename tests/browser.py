"""A headless Chromium for tests of what runs in a browser. It draws WebGL2 and WebGPU in software, without a network.

The fixtures skip their test, and say why, where Playwright or Chromium is missing.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox",
    "--enable-unsafe-swiftshader",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-webgpu",
    "--use-webgpu-adapter=swiftshader",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--force-color-profile=srgb",
)

# JavaScript that reads what ``gl`` has drawn, (width, height), into ``pixels``. Once it is drawn: Chromium warns of a
# reader that waits.
READ_FLOATS = """
gl.bindBuffer(gl.PIXEL_PACK_BUFFER, gl.createBuffer());
gl.bufferData(gl.PIXEL_PACK_BUFFER, 16 * width * height, gl.STREAM_READ);
gl.readPixels(0, 0, width, height, gl.RGBA, gl.FLOAT, 0);
const fence = gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
gl.flush();
while (gl.clientWaitSync(fence, 0, 0) === gl.TIMEOUT_EXPIRED) await new Promise(done => setTimeout(done, 1));
const pixels = new Float32Array(4 * width * height);
gl.getBufferSubData(gl.PIXEL_PACK_BUFFER, 0, pixels);
gl.bindBuffer(gl.PIXEL_PACK_BUFFER, null);
"""


def chromium() -> str | None:
    """The path of Chromium, None if it is not installed."""
    return next(filter(None, map(shutil.which, CHROMIUM)), None)


@pytest.fixture(scope="session")
def browser() -> Iterator:
    """The browser of a test process, as Playwright's ``Browser``."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed (extra dev)")
    executable = chromium()
    if executable is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    with playwright.sync_playwright() as running:
        started = running.chromium.launch(executable_path=executable, args=list(FLAGS))
        yield started
        started.close()


@pytest.fixture
def page(browser) -> Iterator:
    """A new page, as Playwright's ``Page``. The test fails if the page logs an error or asks for the network."""
    context = browser.new_context()
    opened, problems = context.new_page(), []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on(
        "console", lambda message: problems.append(message.text) if message.type in ("error", "warning") else None
    )
    opened.on("request", lambda request: problems.append(request.url) if is_remote(request.url) else None)
    yield opened
    context.close()
    assert not problems, problems


def is_remote(url: str) -> bool:
    return not url.startswith(("file:", "data:", "blob:", "about:"))


def open_html(page, path: Path) -> None:
    page.goto(path.resolve().as_uri())
