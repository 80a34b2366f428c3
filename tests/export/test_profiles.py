"""Models of every profile in other languages; how the languages write formulas is tested with made-up kinds."""

import dataclasses
import json
from random import Random

import jax
import numpy as np
import pytest

import gmjax
from gmjax.export.formula import PROFILE_KINDS, formula_of
from gmjax.files import models
from gmjax.gmface import strengths
from gmjax.profiles import PROFILES, Profile
from tests.export.test_interchange import holds_a_model
from tests.reliability.mutations import mutated
from tests.test_profiles import NAMES, model

POINTS = np.random.default_rng(1).uniform(-0.2, 1.2, (40, 2)).astype(np.float32)


@pytest.mark.parametrize("channels", [(), (3,)])
@pytest.mark.parametrize("name", NAMES)
def test_python_code_is_the_formula(name, channels):
    params = model(name, channels=channels)
    space: dict = {}
    exec(gmjax.export.to_text(params, "numpy"), space)
    found = space["face"](np.float64(POINTS))
    np.testing.assert_allclose(found, gmjax.gmface(params, POINTS), atol=2e-5)


@pytest.mark.parametrize("name", NAMES)
def test_every_other_language_writes_it(name):
    for language in gmjax.export.LANGUAGES:
        assert len(gmjax.export.to_text(model(name), language)) > 200


@pytest.mark.parametrize("channels", [(), (1,), (3,)])
@pytest.mark.parametrize("name", NAMES)
def test_json_and_csv_read_back_to_the_same_bits(name, channels):
    params = model(name, channels=channels)
    for language, read in (("json", gmjax.export.from_json), ("csv", gmjax.export.from_csv)):
        found = read(gmjax.export.to_text(params, language))
        assert found.profile is params.profile
        for mine, theirs in zip(jax.tree.leaves(found), jax.tree.leaves(params), strict=True):
            np.testing.assert_array_equal(mine, theirs)


def test_their_files_keep_the_profile(tmp_path):
    params, metadata = model("gabor"), {"height": "24", "width": "20", "source": "me.jpg"}
    for language in ("json", "csv"):
        path = tmp_path / f"model.{language}"
        path.write_text(gmjax.export.to_text(params, language, shape=(24, 20), metadata=metadata))
        found = models.load_metadata(path)
        assert found.items() >= {"format": "gmjax.Atoms", "profile": "gabor", "height": "24"}.items()
        models.save(tmp_path / "again.safetensors", gmjax.load(path), found)
    psi = json.loads((tmp_path / "model.json").read_text())["conventions"]["psi"]
    assert psi.startswith("functions of u, v, frequency_u, frequency_v: g = exp(-q)*cos(")


@pytest.mark.parametrize("language", ["json", "csv"])
def test_mutated_files(tmp_path, language):
    """A valid model or an error that names the file."""
    path, loaded = tmp_path / f"m.{language}", 0
    content = gmjax.export.to_text(model("gabor", channels=(3,)), language, shape=(24, 20)).encode()
    for number in range(100):
        path.write_bytes(mutated(content, Random(number)))
        loaded += holds_a_model(path)
    assert 2 < loaded < 90


HEAD = "row,column,l11,l21,l22,term_1_weight,term_2_weight,profile\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (HEAD + "0,0,1,0,1,1,1,spline\n", "the profile spline, which this gmjax does not know"),
        (HEAD + "0,0,1,0,1,1,1,gabor\n", "gabor has weights"),
        (HEAD + "0,0,1,0,1,1,1,mexican_hat\n0,0,1,0,1,1,1,gabor\n", "profile must have the same"),
        (HEAD.replace(",profile", ""), "with a profile also profile"),
        (HEAD.replace("term_2", "term_3"), "must have the columns"),
        (HEAD.replace("term_2_weight", "weight"), "must have the columns"),
        (HEAD.replace("l22,", "l22,parameter_2,"), "must have the columns"),
        ("row,column,l11,l21,l22,weight,profile\n", "must have the columns"),
        (",".join(f"term_{n}_weight_{n}" for n in range(3000)), "must have the columns"),
    ],
)
def test_other_csv_is_refused(text, reason):
    with pytest.raises(models.ModelFileError, match=reason):
        gmjax.export.from_csv(text)


def test_a_table_is_rounded_as_it_is_written():
    params = model("gabor")
    rounded = gmjax.export.LANGUAGES["latex-table"].rounded(params, 3)
    np.testing.assert_allclose(rounded.parameters, params.parameters, rtol=5e-3)
    assert gmjax.mse(gmjax.render(rounded, (24, 20)), gmjax.render(params, (24, 20))) < 1e-4
    for part in (rounded.weights, rounded.parameters, rounded.means):
        assert all(len(f"{number:.6g}".lstrip("-0.").replace(".", "")) <= 3 for number in np.ravel(part).tolist())


def test_ellipses_have_the_colour_of_the_largest_value():
    """The second Mexican hat is a dark ring with a small bright centre."""
    params = model("mexican_hat", m=2).replace(weights=np.float32([[0.4, 0.1], [0.1, -2.0]]))
    text = gmjax.export.to_text(params, "svg")
    assert ["#c8423b" in line for line in text.splitlines() if "<ellipse" in line] == [True, False]
    np.testing.assert_allclose(strengths(params), [0.4, -2.0 * np.exp(-1.05)], rtol=1e-2)


def test_every_profile_has_its_terms():
    assert PROFILE_KINDS.keys() == PROFILES.keys()
    assert all(len(PROFILE_KINDS[name].terms) == profile.terms for name, profile in PROFILES.items())
    own = dataclasses.replace(model("gaussian"), profile=Profile("gaussian", 1, lambda u, v: u))
    with pytest.raises(gmjax.ArgumentError, match="a function of your own"):
        formula_of(own)
