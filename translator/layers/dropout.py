"""Dropout whose seeds are made by the host."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="translator")
class Dropout(keras.layers.Dropout):
    """`keras.layers.Dropout`, with the same masks from the same seeds.

    TensorFlow's random kernels read their seed in the host's memory. Keras counts it up
    on the GPU, and each call of each layer then waits for the GPU. Here the counter
    and what is computed from it are placed on the CPU.

    Args:
        rate: Fraction of the inputs that is dropped, in training; the others are
            scaled up, so that their sum is the same on average.
        noise_shape: Shape of the mask, `None` for a size that is the inputs'. A size of
            1 drops along that axis as a whole.

    Example:
        >>> Dropout(0.5)(tf.ones([2, 3])).shape
        TensorShape([2, 3])
    """

    def __init__(self, rate, noise_shape=None, **kwargs):
        with tf.device("CPU:0"):
            super().__init__(rate, noise_shape, **kwargs)

    def call(self, inputs, training=False):
        if not training or not self.rate:
            return inputs
        sizes = None if self.noise_shape is None else tf.shape(inputs)
        with tf.device("CPU:0"):
            seed = self.seed_generator.next()
            # As Keras makes int32 of it.
            seed = tf.cast(tf.math.floormod(seed, tf.int32.max - 1), tf.int32)
            if sizes is not None:
                pairs = zip(self.noise_shape, tf.unstack(sizes), strict=True)
                sizes = [size if own is None else own for own, size in pairs]
        return tf.nn.experimental.stateless_dropout(
            inputs, self.rate, seed, noise_shape=sizes
        )
