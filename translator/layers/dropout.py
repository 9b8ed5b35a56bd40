"""Dropout from few random bits, whose seeds are made by the host."""

import keras
import tensorflow as tf

from translator.layers.checks import check_fraction


@keras.saving.register_keras_serializable(package="translator")
class Dropout(keras.layers.Dropout):
    """`keras.layers.Dropout` in half the time, with other masks.

    Keras draws a float for each input; in training that was a twelfth of the time of a
    step. A random integer of 16 bits decides as well, and a draw of 32 bits holds two:
    the rate is met to 1 / 65,536, where 16-bit floats would miss it by more.

    TensorFlow's random kernels read their seed in the host's memory. Keras counts it up
    on the GPU, and each call of each layer then waits for the GPU. Here the counter
    and what is computed from it are placed on the CPU.

    Args:
        rate: Fraction of the inputs to drop, at least 0 and below 1.
        seed: Of the masks.

    Raises:
        ValueError: Another rate, or a `noise_shape`.

    Example:
        >>> Dropout(0.5)(tf.ones([2, 3])).shape
        TensorShape([2, 3])
    """

    def __init__(self, rate, seed=None, **kwargs):
        check_fraction("rate", rate)
        if kwargs.pop("noise_shape", None):
            raise ValueError(
                "this Dropout has no noise_shape. Use keras.layers.Dropout."
            )
        with tf.device("CPU:0"):
            super().__init__(rate, seed=seed, **kwargs)

    def call(self, inputs, training=False):
        if not training or not self.rate:
            return inputs
        with tf.device("CPU:0"):
            seed = self.seed_generator.next()
            # As Keras makes int32 of it.
            seed = tf.cast(tf.math.floormod(seed, tf.int32.max - 1), tf.int32)
        threshold = min(round(self.rate * 2**16), 2**16 - 1) - 2**15
        is_kept = _draw_int16(inputs, seed) >= threshold
        scale = tf.cast(1 / (1 - self.rate), inputs.dtype)
        return inputs * (tf.cast(is_kept, inputs.dtype) * scale)


def _draw_int16(like, seed):
    """Draws integers of -32,768 to 32,767, in the shape of a tensor."""
    *sizes, width = tf.unstack(tf.shape(like))
    width = like.shape[-1] or width
    pairs = tf.random.stateless_uniform(
        [*sizes, (width + 1) // 2], seed, minval=None, maxval=None, dtype=tf.int32
    )
    numbers = tf.reshape(tf.bitcast(pairs, tf.int16), [*sizes, -1])
    return numbers[..., :width]
