import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gmjax
from gmjax import losses
from gmjax.statistics import device_statistics, device_sums, one_image


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(1).uniform(size=(7, 6, 5)).astype(np.float32)


@pytest.fixture
def rendered() -> np.ndarray:
    return np.random.default_rng(2).uniform(size=(6, 5)).astype(np.float32)


def by_definition(picture, images, pae_weight, mask=None):
    """MSE + lambda PAE over all pictures (13) in NumPy, float64."""
    weights = np.ones(picture.shape[:2]) if mask is None else np.asarray(mask, np.float64)
    weights = weights.reshape(weights.shape + (1,) * (picture.ndim - 2)) * np.ones(picture.shape)
    difference = np.asarray(picture, np.float64)[None] - images
    mse = np.mean([np.sum(weights * d**2) / weights.sum() for d in difference])
    return mse + pae_weight * np.abs(difference * (weights > 0)).max()


@pytest.mark.parametrize("pae_weight", [0.0, 0.1])
@pytest.mark.parametrize("channels", [None, 3])
def test_statistics_give_the_loss_of_the_definition(pae_weight, channels):
    rng = np.random.default_rng(0)
    shape = (6, 5) if channels is None else (6, 5, channels)
    images, picture = np.float32(rng.uniform(size=(7, *shape))), np.float32(rng.uniform(size=shape))
    expected = by_definition(picture, images, pae_weight)
    statistics = gmjax.image_statistics(images)
    assert losses.statistics_loss(picture, statistics, pae_weight) == pytest.approx(expected, rel=1e-5)


def test_gradient_is_that_of_the_definition(images, rendered):
    def by_pictures(picture):
        difference = jax.vmap(lambda image: picture - image)(images)
        return jnp.mean(jnp.square(difference)) + 0.1 * jnp.max(jnp.abs(difference))

    statistics = gmjax.image_statistics(images)
    a = jax.grad(lambda p: losses.statistics_loss(p, statistics, 0.1))(rendered)
    np.testing.assert_allclose(a, jax.grad(by_pictures)(jnp.asarray(rendered)), atol=1e-7)
    assert np.abs(np.asarray(a)).max() > 0.09, "the peak's own gradient must be there"


def test_one_image_is_its_own_statistics(images, rendered):
    expected = gmjax.mse(rendered, images[0]) + 0.1 * gmjax.pae(rendered, images[0])
    assert losses.statistics_loss(rendered, one_image(images[0]), 0.1) == pytest.approx(float(expected), rel=1e-6)


def test_mask_leaves_pixels_out(images, rendered):
    mask = np.zeros((6, 5), bool)
    mask[1:4, 2:] = True
    statistics = gmjax.image_statistics(images)
    found = losses.statistics_loss(rendered, statistics, 0.1, mask)
    assert found == pytest.approx(by_definition(rendered, images, 0.1, mask), rel=1e-5)
    gradient = jax.grad(lambda p: losses.statistics_loss(p, statistics, 0.1, mask))(rendered)
    assert np.all(np.asarray(gradient)[~mask] == 0)
    assert np.all(np.asarray(gradient)[mask] != 0)


def test_mask_may_weigh_pixels(images, rendered):
    mask = np.random.default_rng(3).uniform(size=(6, 5)).astype(np.float32)
    found = losses.statistics_mse(rendered, gmjax.image_statistics(images), mask)
    assert found == pytest.approx(by_definition(rendered, images, 0, mask), rel=1e-5)


def test_padding_pictures_do_not_count(images, rendered):
    padded = np.concatenate([images, np.full((2, 6, 5), 9.0, np.float32)])
    valid = np.float32([1] * 7 + [0] * 2)
    statistics = device_statistics(device_sums(jnp.asarray(padded), valid))
    found = losses.statistics_loss(rendered, statistics, 0.1)
    assert found == pytest.approx(by_definition(rendered, images, 0.1), rel=1e-5)


def test_ties_at_the_peak_share_the_gradient():
    picture = jnp.zeros((2, 2))
    image = jnp.asarray([[0.5, -0.5], [0.1, 0.0]])
    gradient = jax.grad(lambda p: losses.statistics_pae(p, one_image(image)))(picture)
    np.testing.assert_allclose(gradient, [[-0.5, 0.5], [0.0, 0.0]])


def test_statistics_merge_as_if_seen_together(images):
    whole = gmjax.image_statistics(images)
    merged = gmjax.image_statistics(images[:2]) + gmjax.image_statistics(images[2:])
    assert merged.count == 7
    for a, b in zip(jax.tree.leaves(whole), jax.tree.leaves(merged), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_figures_of_two_pictures():
    a, b = jnp.zeros((2, 2)), jnp.asarray([[0.1, 0.0], [0.0, 0.0]])
    assert gmjax.mse(a, b) == pytest.approx(0.0025)
    assert gmjax.pae(a, b) == pytest.approx(0.1)
    assert gmjax.psnr(a, b) == pytest.approx(10 * np.log10(400), rel=1e-5)
    assert gmjax.psnr(a, a) == np.inf


@pytest.mark.parametrize("figure", [gmjax.mse, gmjax.pae, gmjax.psnr])
def test_shapes_that_would_broadcast_are_refused(figure):
    with pytest.raises(ValueError, match="same shape"):
        figure(jnp.zeros(4), jnp.zeros((4, 1)))
