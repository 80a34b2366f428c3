"""What ``import gmjax`` promises: quick, no device touched, no setting changed, and a house without circles."""

import ast
import subprocess
import sys
from pathlib import Path

import gmjax

PACKAGE = Path(gmjax.__file__).parent

# From the ground up: a room may import only those on the lines above its own.
HOUSE = [
    {"_version", "types", "errors"},
    {"checks", "sums"},
    {"gmface"},
    {"losses", "published", "transforms", "gmnet", "files"},
    {"solvers", "analysis", "data"},
    {"personal", "common"},
    {"parallel", "plotting"},
    {"commands"},
    {"__main__", "__init__"},
]


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_adds_less_than_a_second():
    code = """
import time, jax, optax, flax, flax.linen
begun = time.perf_counter()
import gmjax
print(time.perf_counter() - begun)
"""
    assert min(float(run(code)) for _ in range(3)) < 1.0


def test_import_touches_no_device_and_changes_no_setting():
    code = """
import sys, warnings, jax, numpy as np, optax, flax
before = dict(jax.config.values), np.geterr(), list(warnings.filters)
import gmjax
assert (dict(jax.config.values), np.geterr(), list(warnings.filters)) == before
assert not {"matplotlib", "imageio", "PIL", "cv2", "tyro"} & set(sys.modules)
jax.config.update("jax_num_cpu_devices", 3)  # raises once a device has been touched
assert jax.device_count() == 3
"""
    run(code)


def rooms_imported_by(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "gmjax":
            names = [f"gmjax.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        else:
            continue
        found |= {name.split(".")[1] for name in names if name.startswith("gmjax.")}
    return found


def test_every_room_stands_only_on_rooms_below():
    level = {room: number for number, rooms in enumerate(HOUSE) for room in rooms}
    for path in PACKAGE.rglob("*.py"):
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        above = {other for other in rooms_imported_by(path) - {room} if level[other] >= level[room]}
        assert not above, f"{room} stands on {above}"
