"""Dropout: masks of the right rate, from seeds that never leave the host."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from translator.layers.dropout import Dropout


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("rate", [0.02, 0.4, 0.97])
def test_a_share_is_dropped_and_the_rest_made_larger(rate, dtype):
    """Catches: another rate, as of coarse numbers; what is kept not made larger; places
    that are dropped together; a rate that depends on the place."""
    shape = (64, 125, 33)
    mask = Dropout(rate, seed=3, dtype=dtype)(tf.ones(shape, dtype), training=True)
    mask = tf.cast(mask, tf.float32).numpy()
    scale = float(tf.cast(1 / (1 - rate), dtype))
    assert {0.0, np.float32(scale)} == set(np.ravel(mask))
    is_kept = mask > 0
    spread = 5 * (rate * (1 - rate)) ** 0.5
    assert abs(is_kept.mean() - (1 - rate)) < spread / mask.size**0.5
    by_place = is_kept.mean(axis=(0, 1))
    assert abs(by_place - (1 - rate)).max() < spread / (64 * 125) ** 0.5
    for other in (is_kept[:, :, 1:] & is_kept[:, :, :-1], is_kept[1:] & is_kept[:-1]):
        assert abs(other.mean() - (1 - rate) ** 2) < spread / other.size**0.5


def test_what_it_does_not_have_is_refused():
    with pytest.raises(ValueError, match="below 1. Received: rate=1.0"):
        Dropout(1.0)
    with pytest.raises(ValueError, match="no noise_shape"):
        Dropout(0.5, noise_shape=(4, 1))


def test_each_call_has_its_own_mask_and_a_seed_repeats_them():
    """Catches: a seed that is not counted up; dropout outside of training."""
    one, two = (Dropout(0.4, seed=3) for _ in range(2))
    inputs = tf.ones([5, 7])
    masks = [one(inputs, training=True).numpy() for _ in range(3)]
    assert (masks[0] != masks[1]).any() and (masks[1] != masks[2]).any()
    for mask in masks:
        np.testing.assert_array_equal(two(inputs, training=True), mask)
    np.testing.assert_array_equal(one(inputs), inputs)
    assert not Dropout(0.0).variables


def test_the_gradient_passes_where_the_input_does():
    inputs = tf.random.stateless_normal([9, 8], [1, 2])
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = Dropout(0.5)(inputs, training=True)
    np.testing.assert_allclose(tape.gradient(outputs, inputs) * inputs, outputs)


@pytest.mark.parametrize("shape", [[4], [0, 3], [2, 0]])
def test_any_shape(shape):
    assert Dropout(0.5)(tf.ones(shape), training=True).shape == shape


CODE = """
import tensorflow as tf

from translator.layers.dropout import Dropout

cpu = tf.config.list_physical_devices("CPU")[0]
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(cpu, two)
with tf.device("CPU:1"):  # in the place of a GPU
    layer = Dropout(0.5)
    function = tf.function(lambda x: layer(x, training=True)).get_concrete_function(
        tf.TensorSpec([None, 4])
    )
print(layer.seed_generator.state.value.device[-5:])
for operation in function.graph.get_operations():
    if operation.type == "StatelessRandomGetKeyCounter":
        print(operation.inputs[0].op.device[-5:])
"""


def test_seeds_are_on_the_host():
    """Catches: a counter, or what is computed from it, on the device of the layer.

    In its own process: devices are fixed at the start of one.
    """
    command = [sys.executable, "-c", CODE]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-3_000:]
    assert result.stdout.split() == ["CPU:0", "CPU:0"]
