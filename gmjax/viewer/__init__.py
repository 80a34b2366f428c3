"""A formula in the browser: one self-contained page, or a widget of a notebook."""

from gmjax.viewer.pages import description, page, view

__all__ = ["description", "page", "view"]
