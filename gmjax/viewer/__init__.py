"""A formula in the browser: one self-contained page."""

from gmjax.viewer.page import page

__all__ = ["page"]
