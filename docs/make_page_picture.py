"""Draws docs/page.png: the page of gmjax view with the published common face, in headless Chromium.

Command:   python -m docs.make_page_picture
"""

import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

import gmjax
from tests.browser import FLAGS, chromium

SIZE = {"width": 1180, "height": 800}
# The component at the tip of the nose.
NOSE = 5
OUT = Path(__file__).with_name("page.png")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as running:
        path = Path(folder, "view.html")
        path.write_text(gmjax.viewer.page(gmjax.published_common_face(), names=["Common face"]), "utf-8")
        browser = running.chromium.launch(executable_path=chromium(), args=list(FLAGS))
        page = browser.new_page(viewport=SIZE)
        page.goto(path.as_uri())
        page.get_by_role("button", name="Ellipses").click()
        page.evaluate(f"window.gmjax.session.choose({NOSE})")
        page.evaluate("window.gmjax.settled()")
        page.screenshot(path=OUT)
        browser.close()


if __name__ == "__main__":
    main()
