"""``target_psnr``: the fewest components that reach it."""

import dataclasses
import math
from types import SimpleNamespace

import jax
import numpy as np
import pytest

import gmjax
from gmjax.solvers.choose_components import fewest_components


def fits(psnr_of, tried):
    def fit(m):
        tried.append(m)
        return SimpleNamespace(params=SimpleNamespace(num_components=m), info=SimpleNamespace(psnr=psnr_of(m)))

    return fit


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("curve", [lambda m: 12 * math.log10(m), lambda m: 5.0 * m, lambda m: 20 + m**0.3])
@pytest.mark.parametrize("first", [1, 80, 3000])
def test_at_most_a_tenth_above_the_fewest(curve, first):
    for fewest in (1, 2, 7, 30, 100, 640, 2000):
        tried = []
        found = fewest_components(fits(curve, tried), curve(fewest), first, most=2400).params.num_components
        assert fewest <= found <= max(fewest, 1.1 * fewest)
        assert len(tried) <= 14, tried


@pytest.mark.usefixtures("unchecked")
def test_a_step_of_the_curve_is_found():
    tried = []
    found = fewest_components(fits(lambda m: 40.0 if m >= 333 else 10.0, tried), 30.0, 80, most=2400)
    assert 333 <= found.params.num_components <= 366


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("psnr", [20.0, math.nan])
def test_out_of_reach(psnr):
    with pytest.raises(ValueError, match=r"target_psnr of 30 dB is out of reach: 50 components"):
        fewest_components(fits(lambda m: psnr, []), 30.0, 8, most=50)


@pytest.mark.usefixtures("unchecked")
def test_the_target_must_be_a_known_finite_number(picture):
    for value in ("26", True, math.inf):
        with pytest.raises(ValueError, match="target_psnr must be a finite number"):
            gmjax.fit(picture, target_psnr=value)
    with pytest.raises(ValueError, match="target_psnr must be a finite number of dB, not traced"):
        jax.jit(lambda target: gmjax.fit(picture, target_psnr=target))(26.0)


def test_fit_chooses_the_number_of_components(picture):
    config = gmjax.FitConfig(steps=1000)
    psnr = {m: float(gmjax.fit(picture, config=with_components(config, m)).info.psnr) for m in range(2, 6)}
    target = psnr[5] - 0.01
    result = gmjax.fit(picture, config=with_components(config, 3), target_psnr=target)
    assert result.info.psnr >= target
    fewest = min(m for m in psnr if psnr[m] >= target)
    assert result.params.num_components <= max(fewest, 1.1 * fewest)


def with_components(config, m):
    return dataclasses.replace(config, num_components=m)


@pytest.mark.usefixtures("unchecked")
def test_target_psnr_with_arguments_that_exclude_it(picture, published):
    with pytest.raises(ValueError, match="leave init"):
        gmjax.fit(picture, published, target_psnr=30.0)
    with pytest.raises(ValueError, match="finite number of dB"):
        gmjax.fit(picture, target_psnr=np.inf)
    with pytest.raises(TypeError, match="under jit"):
        jax.jit(lambda image: gmjax.fit(image, target_psnr=30.0))(picture)
