"""Every experiment runs on faces of 24 x 24 pixels, in a few steps, and with an empty cache."""

import functools
from types import SimpleNamespace

import jax
import numpy as np
import pytest

import gmjax
from experiments import collection
from experiments.cache import Cache
from experiments.models import Fits
from gmjax.data import orl_faces, write_picture

aligned_once = functools.cache(orl_faces)


@pytest.fixture(autouse=True)
def _faces_are_aligned_once(monkeypatch):
    monkeypatch.setattr(collection, "orl_faces", aligned_once)


def no_common_face(images, recipe_name: str, num_components: int, steps: int | None) -> SimpleNamespace:
    """In place of ``common_face``: components of the published one."""
    params = gmjax.published_common_face()
    return SimpleNamespace(params=jax.tree.map(lambda leaf: np.asarray(leaf)[:num_components], params))


def no_fits(images, start: gmjax.GmFace, recipe_name: str, steps: int | None) -> Fits:
    """In place of ``fits_from``: the start, with its errors."""
    difference = np.asarray(gmjax.render(start, images.shape[1:])) - images
    params = jax.tree.map(lambda leaf: np.repeat(leaf[None], len(images), axis=0), start)
    return Fits(params, np.square(difference).mean(axis=(1, 2)), np.abs(difference).max(axis=(1, 2)), 0.1)


@pytest.fixture
def without_fits(monkeypatch):
    """Replaces the fits of a script whose report is tested; other tests make them."""

    def replace(script) -> None:
        monkeypatch.setattr(script, "common_face", no_common_face)
        monkeypatch.setattr(script, "fits_from", no_fits, raising=False)

    return replace


@pytest.fixture
def cached(tmp_path) -> Cache:
    return Cache(tmp_path / "runs")


@pytest.fixture(scope="session")
def folder_of_faces(tmp_path_factory):
    """Six photographs with their eyes.csv."""
    folder = tmp_path_factory.mktemp("faces")
    row, column = np.mgrid[:60, :50] / 60
    rows = ["file,left_x,left_y,right_x,right_y"]
    for person in range(6):
        write_picture(folder / f"{person}.png", 0.5 + 0.3 * np.sin(7 * row + person) * np.cos(5 * column))
        rows.append(f"{person}.png,12,15,37,15")
    (folder / "eyes.csv").write_text("\n".join(rows) + "\n")
    return folder
