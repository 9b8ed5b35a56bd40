"""Mixed precision: products in 16 bits, weights in 32, and gradients that survive it.

float16 has few exponents: small gradients become zero. So the loss is multiplied by a
large scale before the gradients are taken, and they are divided by it after. Where the
scale was too large the gradients are infinite: the update is left out and the scale
halved; after many finite updates it is doubled. bfloat16 has the exponents of float32
and needs none of this.

Source: Micikevicius et al. 2018, "Mixed Precision Training", sections 3.1 and 3.2.
"""

import keras
import tensorflow as tf

# The option `mixed_precision` -> Keras' name for it.
_POLICIES = {
    "none": "float32",
    "bfloat16": "mixed_bfloat16",
    "float16": "mixed_float16",
}
# Keras begins with 2 ** 15 for losses that are means. Ours is a sum over the batch's
# tokens, whose gradients are larger by about their number; sums in float16 end at
# 65,504.
_INITIAL_SCALE = 2.0**10


def set_precision(mixed_precision: str) -> None:
    """Sets the type that layers made from now on compute in.

    Args:
        mixed_precision: "none", "bfloat16" or "float16".
    """
    keras.config.set_dtype_policy(_POLICIES[mixed_precision])


def with_loss_scale(
    optimizer: keras.optimizers.Optimizer, mixed_precision: str
) -> keras.optimizers.Optimizer:
    """Gives an optimizer that is not built yet a loss scale, where it needs one."""
    if mixed_precision != "float16":
        return optimizer
    return keras.optimizers.LossScaleOptimizer(
        optimizer, initial_scale=_INITIAL_SCALE, name=optimizer.name
    )


def scale_loss(optimizer: keras.optimizers.Optimizer, loss: tf.Tensor) -> tf.Tensor:
    """Returns what to take the gradients of, for `apply_clipped`."""
    return loss * _loss_scale(optimizer)


def apply_clipped(
    optimizer: keras.optimizers.Optimizer, gradients: list, clip_norm: float
) -> None:
    """Updates the weights by gradients of the scaled loss, clipped by their norm.

    It is the gradients of the loss itself that are clipped. Gradients that are not
    finite change nothing but the scale.

    To be called in a replica's context.

    Args:
        optimizer: From `with_loss_scale`, built.
        gradients: Of what `scale_loss` returned, one for each trainable variable,
            summed over the replicas already.
        clip_norm: Largest global norm.
    """
    scale = _loss_scale(optimizer)
    gradients = [gradient / scale for gradient in gradients]
    gradients, _ = tf.clip_by_global_norm(gradients, clip_norm)
    # A scaling optimizer divides by the scale itself; a power of two costs no digit.
    # Every optimizer sums over the replicas again, here over equal copies.
    factor = scale / tf.distribute.get_replica_context().num_replicas_in_sync
    optimizer.apply([gradient * factor for gradient in gradients])


def _loss_scale(optimizer):
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return tf.convert_to_tensor(optimizer.dynamic_scale)
    return 1.0
