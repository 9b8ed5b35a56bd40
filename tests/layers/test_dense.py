"""Dense layers: Keras' numbers, without what a GPU would be waited for."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from translator.layers.dense import Dense, multiply_rows


@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 4), (2, 0, 5, 4)])
def test_products_of_any_rank(shape):
    """Catches: rows or axes in another order, an axis without elements."""
    rng = np.random.default_rng(1)
    inputs, kernel = rng.normal(size=shape), rng.normal(size=(4, 6))
    np.testing.assert_allclose(multiply_rows(inputs, kernel), inputs @ kernel)


@pytest.mark.parametrize("use_bias", [True, False])
def test_equals_keras(use_bias):
    """Catches: the bias or the activation left out; a static shape that is lost."""
    options = {"use_bias": use_bias, "activation": "tanh", "bias_initializer": "ones"}
    ours, theirs = (kind(6, **options) for kind in (Dense, keras.layers.Dense))
    inputs = np.random.default_rng(1).normal(size=(2, 3, 4)).astype("float32")
    theirs.build(inputs.shape)
    ours.build(inputs.shape)
    ours.set_weights(theirs.get_weights())
    np.testing.assert_allclose(ours(inputs), theirs(inputs), rtol=1e-6)
    spec = tf.TensorSpec([None, None, 4])
    traced = tf.function(ours, input_signature=[spec]).get_concrete_function()
    assert traced.outputs[0].shape.as_list() == [None, None, 6]
    assert not {"Prod", "GatherV2"} & {op.type for op in traced.graph.get_operations()}


def test_can_be_saved():
    """Catches: a class that is not registered."""
    layer = Dense(6, use_bias=False, name="projection")
    config = keras.saving.serialize_keras_object(layer)
    copy = keras.saving.deserialize_keras_object(config)
    assert type(copy) is Dense and copy.get_config() == layer.get_config()
