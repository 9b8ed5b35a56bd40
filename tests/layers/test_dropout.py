"""Dropout: Keras' masks, from seeds that never leave the host."""

import subprocess
import sys

import keras
import numpy as np
import tensorflow as tf

from translator.layers.dropout import Dropout


def test_masks_are_those_of_keras():
    """Catches: a seed that is not counted up, or counted otherwise; dropout outside of
    training; what is kept not made larger.
    """
    ours, theirs = (kind(0.4, seed=3) for kind in (Dropout, keras.layers.Dropout))
    inputs = tf.ones([5, 7])
    for _ in range(2):
        mask = ours(inputs, training=True)
        np.testing.assert_array_equal(mask, theirs(inputs, training=True))
        assert {0.0, np.float32(1 / 0.6)} == set(np.ravel(mask))
    np.testing.assert_array_equal(ours(inputs), inputs)
    assert not Dropout(0.0).variables


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
