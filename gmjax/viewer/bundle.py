"""The viewer's JavaScript as one module, and its style sheet: for pages and for widgets.

All modules are files in ``js/``, but ``kinds``, which Python makes.
"""

import functools
import re
from importlib import resources

from gmjax.viewer import kinds

_FILES = resources.files("gmjax.viewer")
_IMPORT = re.compile(r'^import \{([^}]*)\} from "\./(\w+)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:const|function\*?|class) (\w+))", re.MULTILINE)


def text_of(name: str) -> str:
    """A file of the viewer's package data."""
    return _FILES.joinpath(name).read_text("utf-8")


@functools.cache
def bundle(entry: str) -> str:
    """The module ``entry`` and all that it imports as the text of one module, which exports what ``entry`` exports.

    Each module is a function that is called once, after those that it imports, and returns its exports.
    """
    parts: dict[str, str] = {}
    _add(entry, parts)
    names = ", ".join(_EXPORT.findall(text_of(f"js/{entry}.js")))
    exports = f"const {{ {names} }} = ${entry};\nexport {{ {names} }};\n" if names else ""
    return "".join(parts.values()) + exports


def _add(name: str, parts: dict[str, str]) -> None:
    if name in parts:
        return
    text = kinds.module() if name == "kinds" else text_of(f"js/{name}.js")
    for _, other in _IMPORT.findall(text):
        _add(other, parts)
    names = ", ".join(_EXPORT.findall(text))
    body = _EXPORT.sub("", _IMPORT.sub(r"const {\1} = $\2;\n", text))
    parts[name] = f"const ${name} = (() => {{\n{body}return {{ {names} }};\n}})();\n"
