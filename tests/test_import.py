"""What ``import gmjax`` promises: quick, no device touched, no setting changed, and imports without circles."""

import ast
import subprocess
import sys
from pathlib import Path

import gmjax

PACKAGE = Path(gmjax.__file__).parent

# From the bottom up: a module may import only those on the lines above its own. Folders count as one module here.
LAYERS = [
    {"_version", "types", "errors"},
    {"profiles"},
    {"checks", "sums"},
    {"gmface", "statistics"},
    {"losses", "published", "calculus", "transforms", "frame", "gmnet", "coordinates"},
    {"files"},
    {"solvers", "data", "registration", "space", "export"},
    {"personal", "common", "analysis"},
    {"parallel", "plotting", "correspondence", "compact", "viewer"},
    {"saving"},
    {"commands"},
    {"__main__", "__init__"},
]


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_adds_less_than_a_second_touches_no_device_and_changes_no_setting():
    """The best of three times counts, and one suffices if it is short enough."""
    code = """
import sys, time, warnings, jax, numpy as np, optax, flax, flax.linen
before = dict(jax.config.values), np.geterr(), list(warnings.filters)
begun = time.perf_counter()
import gmjax
seconds = time.perf_counter() - begun
assert (dict(jax.config.values), np.geterr(), list(warnings.filters)) == before
assert not {"matplotlib", "imageio", "PIL", "cv2", "tyro"} & set(sys.modules)
jax.config.update("jax_num_cpu_devices", 3)  # raises once a device has been touched
assert jax.device_count() == 3
print(seconds)
"""
    assert any(float(run(code)) < 1.0 for _ in range(3))


def modules_imported_by(path: Path) -> set[str]:
    """The modules of gmjax that a file imports anywhere, as ``solvers.adam``."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in (name.removeprefix("gmjax.") for name in names if name.startswith("gmjax.")):
            parts = name.split(".")
            files = [PACKAGE.joinpath(*parts[:n]).with_suffix(".py") for n in (2, 1)]
            found |= {".".join(parts[:n]) for n, file in zip((2, 1), files, strict=True) if file.is_file()} or {
                parts[0]
            }
    return found


def test_imports_go_in_one_direction():
    level = {name: number for number, names in enumerate(LAYERS) for name in names}
    for path in PACKAGE.rglob("*.py"):
        module = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        imported = {name.split(".")[0] for name in modules_imported_by(path)} - {module}
        above = {name for name in imported if level[name] >= level[module]}
        assert not above, f"{module} imports {above}"


def test_no_circles_within_a_folder():
    imports = {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts): modules_imported_by(path)
        for path in PACKAGE.rglob("*.py")
        if path.name != "__init__.py"
    }
    done: set[str] = set()
    while len(done) < len(imports):
        ready = {name for name, needed in imports.items() if name not in done and needed & imports.keys() <= done}
        assert ready, f"a circle among {sorted(imports.keys() - done)}"
        done |= ready
