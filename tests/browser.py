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
