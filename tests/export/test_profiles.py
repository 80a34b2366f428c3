"""Models of every profile in other languages; how the languages write formulas is tested with made-up kinds."""

import dataclasses

import numpy as np
import pytest

import gmjax
from gmjax.export.formula import PROFILE_KINDS, formula_of
from gmjax.profiles import PROFILES, Profile
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
    for language, about in gmjax.export.LANGUAGES.items():
        if about.gaussians_only:
            with pytest.raises(gmjax.ArgumentTypeError, match=f"not for the profile {name}"):
                gmjax.export.to_text(model(name), language)
        else:
            assert len(gmjax.export.to_text(model(name), language)) > 300


def test_every_profile_has_its_terms():
    assert PROFILE_KINDS.keys() == PROFILES.keys()
    assert all(len(PROFILE_KINDS[name].terms) == profile.terms for name, profile in PROFILES.items())
    own = dataclasses.replace(model("gaussian"), profile=Profile("gaussian", 1, lambda u, v: u))
    with pytest.raises(gmjax.ArgumentError, match="a function of your own"):
        formula_of(own)
