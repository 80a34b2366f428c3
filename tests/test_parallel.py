"""One, two and eight devices: the same gradients, the same models."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import gmjax
from gmjax import parallel
from gmjax.parallel.statistics import sums_of
from gmjax.solvers import starts
from gmjax.solvers.adam import Adam, Data
from gmjax.statistics import device_statistics, device_sums, over_axis, statistics_of, sums_on_host
from tests.test_common import images  # noqa: F401

DEVICES = [1, 8]
KEY = jax.random.key(0)
FULL = gmjax.FitConfig(num_components=6, steps=40, pae_weight=0.05)
SECOND_ORDER = gmjax.FitConfig(num_components=6, solver="lm", steps=40)
MINIBATCHES = gmjax.FitConfig(num_components=6, batch_size=5, epochs=6, pae_weight=0.05)
CONFIGS = pytest.mark.parametrize("config", [FULL, MINIBATCHES, SECOND_ORDER], ids=["full", "minibatches", "lm"])


def rendered(params):
    return np.asarray(gmjax.render(params, (16, 14)))


def same_bits(a, b):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.compiled_fully
@pytest.mark.parametrize("count", [1, pytest.param(2, marks=pytest.mark.soak), 8])
def test_gradient_from_minibatches(images, count):  # noqa: F811
    """With a PAE weight at which the peak's gradient cannot hide: to 1e-5 of the largest entry of each kind."""
    adam = Adam(gmjax.FitConfig(num_components=6, pae_weight=0.5))
    free = gmjax.to_unconstrained(starts.grid(jnp.mean(images, axis=0), 6))

    def by_definition(free):
        """MSE + lambda PAE (13), picture by picture."""
        picture = gmjax.render(gmjax.from_unconstrained(free), (16, 14))
        difference = jax.vmap(lambda image: picture - image)(images)
        return jnp.mean(jnp.square(difference)) + 0.5 * jnp.max(jnp.abs(difference))

    def gradient(free, images, valid):
        statistics = device_statistics(over_axis(device_sums(images, valid), parallel.AXIS))
        return jax.value_and_grad(lambda free: adam.objective(Data(statistics, None), free))(free)

    expected = jax.jit(jax.value_and_grad(by_definition))(free)
    pmapped = jax.pmap(gradient, axis_name=parallel.AXIS, in_axes=(None, 0, 0), devices=jax.devices()[:count])
    found = jax.tree.map(lambda leaf: leaf[0], pmapped(free, *parallel.shares_of(images, count)))
    assert found[0] == pytest.approx(float(expected[0]), rel=1e-6)
    for a, b in zip(jax.tree.leaves(found[1]), jax.tree.leaves(expected[1]), strict=True):
        assert np.abs(np.asarray(a) - np.asarray(b)).max() <= 1e-5 * np.abs(np.asarray(b)).max()


@pytest.mark.compiled_fully
def test_statistics(images):  # noqa: F811
    found = [parallel.image_statistics(images, devices=jax.devices()[:count]) for count in (1, 2, 8)]
    for other in found:
        same_bits(other, gmjax.image_statistics(images))
    expected = jax.jit(gmjax.image_statistics)(jnp.asarray(images))
    for a, b in zip(jax.tree.leaves(found[0]), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


@pytest.mark.usefixtures("unchecked")
def test_sums_where_pictures_are_read(images):  # noqa: F811
    """NumPy's sums are those of the devices, also of the smallest and largest values, and of many at once."""
    edges = np.float32([0.0, 2.0**-23, 2.0**-24, 0.1, 0.5, 1 - 2.0**-24, 1.0])
    for some in (images, np.stack([np.stack([edges, edges[::-1]])] * 3), np.ones((300, 3, 2, 3), np.float32)):
        some = np.asarray(some, np.float32)
        same_bits(statistics_of(sums_on_host(list(some))), statistics_of(sums_of(some)))


def test_statistics_in_several_passes_and_any_order():
    many = np.random.default_rng(0).uniform(size=(600, 3, 2)).astype(np.float32)
    found = parallel.image_statistics(many, devices=jax.devices()[:1])
    assert found.count == 600
    np.testing.assert_allclose(found.mean, many.mean(axis=0, dtype=float), rtol=1e-7)
    np.testing.assert_array_equal(found.maximum, many.max(axis=0))
    same_bits(parallel.image_statistics(many[::-1], devices=jax.devices()[:8]), found)


@CONFIGS
@pytest.mark.compiled_fully
def test_common_face(images, config):  # noqa: F811
    """The same bits on any number of devices."""
    found = [parallel.fit_common(images, config=config, key=KEY, devices=jax.devices()[:count]) for count in DEVICES]
    for other in found[1:]:
        same_bits(other.params, found[0].params)
        np.testing.assert_allclose(other.info.loss["adam"], found[0].info.loss["adam"], rtol=1e-5)


@pytest.mark.parametrize(
    "config",
    [FULL, *(pytest.param(config, marks=pytest.mark.soak) for config in (MINIBATCHES, SECOND_ORDER))],
    ids=["full", "minibatches", "lm"],
)
@pytest.mark.compiled_fully
def test_common_face_is_the_librarys(images, config):  # noqa: F811
    expected = gmjax.fit_common(images, config=config, key=KEY)
    found = parallel.fit_common(images, config=config, key=KEY, devices=jax.devices()[:1])
    assert np.abs(rendered(found.params) - rendered(expected.params)).max() < 1e-3
    assert found.info.mse == pytest.approx(float(expected.info.mse), rel=1e-3)
    for name, losses in expected.info.loss.items():
        np.testing.assert_allclose(found.info.loss[name], losses, rtol=1e-3)


@CONFIGS
def test_a_fit_resumes_from_any_chunk(images, config):  # noqa: F811
    """Bit for bit, from a checkpoint that has been through the host."""
    prepared = parallel.prepare_common(gmjax.image_statistics(images), config=config, key=KEY, images=images)
    positions = list(prepared.run())
    assert sum(map(len, positions[-1].losses)) == prepared.steps
    expected = prepared.result(positions[-1])
    for number in (0, len(positions) // 2, len(positions) - 2, len(positions) - 1):
        position = positions[number]
        leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(position.state)]
        restored = prepared.restore(position.stage, position.step, leaves, position.losses)
        *_, last = restored, *prepared.run(restored)
        same_bits(prepared.result(last), expected)


def test_a_loss_that_is_not_finite_stops_the_run(images):  # noqa: F811
    config = gmjax.FitConfig(num_components=6, steps=100, optimizer=optax.sgd(1e6))
    with pytest.raises(gmjax.DivergedError, match=r"the loss is (nan|inf) at step \d+; it was"):
        parallel.fit_common(images, config=config)


def test_reports_do_not_change_the_result(images):  # noqa: F811
    heard = []
    found = parallel.fit_common(images, config=FULL, devices=jax.devices()[:2], report=lambda *said: heard.append(said))
    same_bits(found, parallel.fit_common(images, config=FULL, devices=jax.devices()[:2]))
    assert heard[-1][:2] == (40, 40)
    assert [step for step, _, _ in heard] == sorted({step for step, _, _ in heard})
    assert heard[-1][2] == found.info.loss["adam"][-1]


@pytest.mark.compiled_fully
def test_many_personal_faces(images):  # noqa: F811
    """The library's, and the same bits on any number of devices."""
    expected = [gmjax.fit(image, config=FULL) for image in images[:5]]
    found = {}
    for count in DEVICES:
        found[count] = dict(parallel.fit_many(iter(images[:5]), config=FULL, devices=jax.devices()[:count]))
        assert sorted(found[count]) == [0, 1, 2, 3, 4]
        for number, result in found[count].items():
            same_bits(result, found[1][number])
            assert np.abs(rendered(result.params) - rendered(expected[number].params)).max() < 1e-3


def test_one_compilation_for_pictures_of_one_shape(images, caplog):  # noqa: F811
    """Other faces, another collection of another size: the second time nothing is compiled."""
    config, devices = gmjax.FitConfig(num_components=6, steps=3), jax.devices()[:1]
    compiled = []
    for part, count in ((images[:2], 2), (images[2:5], 5)):
        statistics = gmjax.image_statistics(images[:count])
        caplog.clear()
        with jax.log_compiles():
            for _, result in parallel.fit_many(part, config=config, devices=devices):
                jax.block_until_ready(result)
            parallel.fit_common(statistics, config=config, devices=devices)
        compiled.append([record.getMessage() for record in caplog.records if "Compiling" in record.getMessage()])
    assert compiled[0]
    assert not compiled[1]


@pytest.mark.usefixtures("unchecked")
def test_a_bad_picture_costs_only_itself(images):  # noqa: F811
    pictures = [images[0], images[1] * np.nan, images[2], images[3][:8], np.zeros((1, 1), np.float32)]
    results = dict(parallel.fit_many(pictures, config=FULL, devices=jax.devices()[:2]))
    assert sorted(results) == [0, 1, 2, 3, 4]
    assert "image 1" in str(results[1])
    assert isinstance(results[1], ValueError)
    assert isinstance(results[4], ValueError)
    for number in (0, 2, 3):
        assert results[number].info.mse < 0.1 * np.var(pictures[number])


def test_a_start_without_a_key(images):  # noqa: F811
    config = gmjax.FitConfig(num_components=2, steps=3)
    start = gmjax.fit(images[0], config=config).params
    ((_, alone),) = parallel.fit_many(images[:1], start, config=config)
    ((_, with_key),) = parallel.fit_many(images[:1], start, config=config, key=KEY)
    same_bits(alone.params, with_key.params)


def test_random_starts_do_not_depend_on_the_devices(images):  # noqa: F811
    config = gmjax.FitConfig(num_components=6, steps=3, start="random")
    one, two = (
        dict(parallel.fit_many(images[:3], config=config, key=jax.random.key(5), devices=jax.devices()[:count]))
        for count in (1, 2)
    )
    for number in range(3):
        np.testing.assert_allclose(one[number].info.loss["adam"], two[number].info.loss["adam"], rtol=1e-4)
    assert one[0].info.loss["adam"][0] != one[1].info.loss["adam"][0]


def test_statistics_have_no_minibatches(images):  # noqa: F811
    with pytest.raises(gmjax.ArgumentError, match="pictures themselves"):
        parallel.fit_common(gmjax.image_statistics(images), config=MINIBATCHES, key=KEY)
