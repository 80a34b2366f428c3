"""Models in other languages, as source code, tables, formulas and drawings.

``to_text(params, "glsl")`` is a model in one of ``LANGUAGES``. JSON and CSV read back without loss: as text by
``from_json`` and ``from_csv``, as files by ``gmjax.load``.
"""

from gmjax.export.formula import rounded_model
from gmjax.export.languages import LANGUAGES, Language, from_csv, from_json, to_text

__all__ = ["LANGUAGES", "Language", "from_csv", "from_json", "rounded_model", "to_text"]
