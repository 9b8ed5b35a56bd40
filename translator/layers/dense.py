"""Products with a matrix, for inputs of any rank."""

import keras
import tensorflow as tf


def multiply_rows(inputs, kernel):
    """Multiplies each vector along the last axis with a matrix: one product of all.

    `keras.ops.matmul` does the same by `tf.tensordot` where an input has more than two
    axes, whose sizes TensorFlow then multiplies on the GPU, and waits for them.

    Args:
        inputs: float, shape `(..., input_dim)`.
        kernel: float, shape `(input_dim, units)`.

    Returns:
        float, shape `(..., units)`.
    """
    inputs, kernel = tf.convert_to_tensor(inputs), tf.convert_to_tensor(kernel)
    if inputs.shape.rank == 2:
        return tf.matmul(inputs, kernel)
    rows = tf.matmul(tf.reshape(inputs, [-1, inputs.shape[-1]]), kernel)
    sizes = tf.unstack(tf.shape(inputs))[:-1]
    products = tf.reshape(rows, [*sizes, kernel.shape[-1]])
    products.set_shape([*inputs.shape[:-1], kernel.shape[-1]])
    return products


@keras.saving.register_keras_serializable(package="translator")
class Dense(keras.layers.Dense):
    """`keras.layers.Dense` with the product of `multiply_rows`.

    Example:
        >>> Dense(4)(tf.ones([2, 5, 3])).shape
        TensorShape([2, 5, 4])
    """

    def call(self, inputs, training=None):
        outputs = multiply_rows(inputs, self.kernel)
        if self.bias is not None:
            outputs = tf.nn.bias_add(outputs, tf.convert_to_tensor(self.bias))
        return outputs if self.activation is None else self.activation(outputs)
