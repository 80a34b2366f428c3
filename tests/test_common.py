"""The common face: one formula for many pictures."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gmjax
from gmjax.solvers.minibatches import batches_by_number, batches_of

QUICK = gmjax.FitConfig(num_components=6, steps=60)
KEY = jax.random.key(1)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    """Thirteen variations of one smooth picture: a number that nothing divides."""
    rng = np.random.default_rng(0)
    row, column = np.mgrid[:16, :14] / 16
    bases = np.stack([np.sin(4 * row), np.cos(5 * column), row * column])
    return np.float32(0.5 + np.tensordot(rng.normal([0.3, 0.1, 0.0], 0.1, size=(13, 3)), bases, 1)).clip(0, 1)


def to_average(result, images):
    return float(gmjax.mse(gmjax.render(result.params, images.shape[1:3]), images.mean(axis=0)))


def test_common_face_nears_the_average(images):
    result = gmjax.fit_common(images, config=gmjax.FitConfig(num_components=6, steps=400, pae_weight=0.0))
    average = images.mean(axis=0)
    assert to_average(result, images) < 0.005 * np.var(average)
    expected = np.mean((np.asarray(gmjax.render(result.params, (16, 14))) - images) ** 2)
    assert result.info.mse == pytest.approx(expected, rel=1e-4)
    assert result.info.pae == pytest.approx(
        np.abs(np.asarray(gmjax.render(result.params, (16, 14))) - images).max(), rel=1e-4
    )


def test_pictures_and_their_statistics_are_the_same(images):
    one = gmjax.fit_common(images, config=QUICK)
    other = gmjax.fit_common(gmjax.image_statistics(images), config=QUICK)
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(a, b)


def test_of_one_picture_it_is_its_fit(images):
    config = gmjax.FitConfig(num_components=6, steps=60, pae_weight=0.01)
    one = gmjax.fit_common(images[:1], config=config)
    other = gmjax.fit(images[0], config=config)
    np.testing.assert_allclose(one.params.means, other.params.means, atol=1e-4)


def test_a_full_minibatch_is_the_full_batch(images):
    """One batch that holds all pictures takes the steps that the statistics take."""
    whole = gmjax.fit_common(images, config=gmjax.FitConfig(num_components=6, steps=15, pae_weight=0.05))
    batch = gmjax.FitConfig(num_components=6, batch_size=13, epochs=15, pae_weight=0.05)
    minibatch = gmjax.fit_common(images, config=batch, key=KEY)
    np.testing.assert_allclose(minibatch.info.loss["adam"], whole.info.loss["adam"], rtol=2e-4)
    np.testing.assert_allclose(minibatch.params.means, whole.params.means, atol=1e-3)


def test_minibatches_near_the_average_too(images):
    config = gmjax.FitConfig(num_components=6, batch_size=4, epochs=60, pae_weight=0.0)
    result = gmjax.fit_common(images, config=config, key=KEY)
    assert result.info.loss["adam"].shape == (60 * 4,)
    assert to_average(result, images) < 0.02 * np.var(images.mean(axis=0))


def test_steps_are_rounded_up_to_whole_epochs(images):
    config = gmjax.FitConfig(num_components=6, batch_size=4, steps=5)
    fitted = jax.eval_shape(lambda images, key: gmjax.fit_common(images, config=config, key=key), images, KEY)
    assert fitted.info.loss["adam"].shape == (8,)


@pytest.mark.parametrize(("count", "batch_size"), [(13, 4), (12, 4), (3, 8)])
def test_every_picture_comes_once_an_epoch(count, batch_size):
    config = gmjax.FitConfig(batch_size=batch_size)
    batches = batches_of(config, count)
    two_epochs = batches_by_number(KEY, count, config, 0, 2 * batches)
    assert two_epochs.images.shape == two_epochs.valid.shape == (2 * batches, batch_size)
    assert np.flatnonzero(two_epochs.ends_epoch).tolist() == [batches - 1, 2 * batches - 1]
    epochs = [slice(0, batches), slice(batches, None)]
    for epoch in epochs:
        assert sorted(two_epochs.images[epoch][two_epochs.valid[epoch] > 0].tolist()) == list(range(count))
    assert count < 4 or not np.array_equal(*(two_epochs.images[epoch] for epoch in epochs))
    for first in (0, batches, 2 * batches - 1):
        part = batches_by_number(KEY, count, config, first, 1)
        for a, b in zip(jax.tree.leaves(part), jax.tree.leaves(two_epochs), strict=True):
            np.testing.assert_array_equal(a[0], b[first])


def test_minibatches_under_jit(images):
    config = gmjax.FitConfig(num_components=6, batch_size=4, epochs=5)
    expected = gmjax.fit_common(images, config=config, key=KEY)
    jitted = jax.jit(lambda images, key: gmjax.fit_common(images, config=config, key=key))(images, KEY)
    np.testing.assert_allclose(jitted.info.loss["adam"], expected.info.loss["adam"], rtol=1e-3)


def test_works_under_jit_and_vmap(images):
    expected = gmjax.fit_common(images, config=QUICK)
    jitted = jax.jit(lambda images: gmjax.fit_common(images, config=QUICK))(images)
    np.testing.assert_allclose(jitted.info.mse, expected.info.mse, rtol=1e-3)
    both = jax.vmap(lambda images: gmjax.fit_common(images, config=QUICK))(jnp.stack([images, 1 - images]))
    np.testing.assert_allclose(both.info.mse[0], expected.info.mse, rtol=1e-3)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("images", "config", "message"),
    [
        (np.zeros((4, 4), np.float32), QUICK, r"\(N, H, W\)"),
        (np.zeros((0, 4, 4), np.float32), QUICK, "at least two pixels"),
        (np.full((2, 4, 4), np.nan, np.float32), QUICK, "NaN"),
        (np.full((2, 4, 4), 2.0, np.float32), QUICK, r"\[0, 1\]"),
        (gmjax.image_statistics(np.zeros((2, 4, 4), np.float32)), gmjax.FitConfig(batch_size=2), "pictures themselves"),
        (np.zeros((3, 4, 4), np.float32), gmjax.FitConfig(batch_size=2), "key is needed for the order"),
        (np.zeros((9, 8, 3), np.float32), QUICK, r"looks like one picture: use images\[None\]"),
        (np.zeros((2, 3, 9, 8), np.float32), QUICK, r"channels in front use numpy.moveaxis\(images, -3, -1\)"),
    ],
)
def test_bad_input(images, config, message):
    with pytest.raises(ValueError, match=message):
        gmjax.fit_common(images, config=config)
