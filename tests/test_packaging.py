"""The distributions: they build from a checkout, hold all of gmjax, and ask only for what the core needs."""

import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

import gmjax

ROOT = Path(__file__).parent.parent
CORE = {"jax", "jaxlib", "optax", "flax", "numpy", "imageio", "jaxtyping", "safetensors"}
EXTRAS = {"cli", "align", "orl", "all", "gpu", "tpu", "experiments", "bench", "dev"}


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """The folder of both distributions; the wheel is built from the sdist, as for anyone who installs that."""
    tree, out = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("built")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "gmjax", tree / "gmjax", ignore=ignored)
    shutil.copytree(ROOT / "tests", tree / "tests", ignore=ignored)
    for name in ("pyproject.toml", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(tree)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return out


@pytest.fixture(scope="module")
def wheel(built) -> zipfile.ZipFile:
    (path,) = built.glob("*.whl")
    with zipfile.ZipFile(path) as file:
        yield file


def sources() -> set[str]:
    """Every file of the package, its data included."""
    files = (path for path in (ROOT / "gmjax").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(ROOT).as_posix() for path in files}


def test_the_wheel_holds_the_package_with_its_data_and_nothing_else(wheel):
    inside = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert inside == sources()
    assert inside >= {"gmjax/py.typed", "gmjax/published_common_face.csv", "gmjax/data/orl_eyes.csv"}
    for name in inside:
        assert wheel.read(name) == (ROOT / name).read_bytes(), name


def test_the_sdist_holds_the_package(built):
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as tar:
        inside = {name.partition("/")[2] for name in tar.getnames()}
    assert inside >= sources() | {"pyproject.toml", "README.md", "LICENSE"}
    assert not any(name.startswith("tests") for name in inside), "only some of them would be in it"


def test_metadata(wheel):
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    metadata = Parser().parsestr(wheel.read(name).decode())
    assert metadata["Version"] == gmjax.__version__
    assert set(metadata.get_all("Provides-Extra")) == EXTRAS
    core = {line for line in metadata.get_all("Requires-Dist") if "extra ==" not in line}
    assert {re.match(r"[\w.-]+", line)[0].lower() for line in core} == CORE


def test_everything_that_is_required_is_pinned():
    """``make`` installs from the lock file, which must not miss what pyproject.toml asks for since ``make lock``."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {*project["dependencies"]}
    for extra in EXTRAS - {"gpu", "tpu", "bench"}:  # these are for machines of another kind, or pinned by hand
        wanted |= set(project["optional-dependencies"][extra])
    names = {re.match(r"[\w.-]+", line)[0].lower() for line in wanted} - {"gmjax"}
    pinned = {line.partition("==")[0] for line in (ROOT / "requirements.lock").read_text().splitlines()}
    assert names <= pinned
