"""A formula in the browser: one self-contained page."""

from gmjax.viewer.pages import description, page

__all__ = ["description", "page"]
