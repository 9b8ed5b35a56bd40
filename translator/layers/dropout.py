"""Dropout whose seeds are made by the host."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="translator")
class Dropout(keras.layers.Dropout):
    """`keras.layers.Dropout`, with the same masks from the same seeds.

    TensorFlow's random kernels read their seed in the host's memory. Keras counts it up
    on the GPU, and each call of each layer then waits for the GPU. Here the counter
    and what is computed from it are placed on the CPU.

    Example:
        >>> Dropout(0.5)(tf.ones([2, 3])).shape
        TensorShape([2, 3])
    """

    def __init__(self, rate, **kwargs):
        with tf.device("CPU:0"):
            super().__init__(rate, **kwargs)

    def call(self, inputs, training=False):
        if not training or not self.rate:
            return inputs
        with tf.device("CPU:0"):
            seed = self.seed_generator.next()
            # As Keras makes int32 of it.
            seed = tf.cast(tf.math.floormod(seed, tf.int32.max - 1), tf.int32)
        return tf.nn.experimental.stateless_dropout(inputs, self.rate, seed)
