"""The training objective: label-smoothed cross-entropy over real tokens.

Shapes: B batch, T target length, V vocabulary size.
"""

from typing import NamedTuple

import tensorflow as tf


class LossSum(NamedTuple):
    """A loss as a sum and its count, so that parts of a batch can be added up.

    Fields:
        total: float scalar, nats summed over the real target tokens.
        num_tokens: float scalar, how many there were. `total / num_tokens` is the
            loss in nats per target token, its exponential the perplexity.
    """

    total: tf.Tensor
    num_tokens: tf.Tensor


def smoothed_cross_entropy(logits, target_ids, label_smoothing=0.0):
    """Cross-entropy of each token against a one-hot target mixed with a uniform one.

        loss = -(1 - e) log p(target) - e / V * sum over v of log p(v)

    with e the smoothing. The sums are taken in closed form, so neither a one-hot
    matrix nor a second log-softmax is made:

        loss = -log p(target) + e * (logit(target) - mean of the logits)

    Source: Szegedy et al. 2016, "Rethinking the Inception Architecture", section 7.

    Args:
        logits: float, shape `(..., vocabulary_size)`.
        target_ids: int32, shape `(...)`, each in `[0, vocabulary_size)`.
        label_smoothing: e, the probability spread over all subwords.

    Returns:
        float32, shape `(...)`, nats.
    """
    logits = tf.cast(logits, tf.float32)
    loss = tf.nn.sparse_softmax_cross_entropy_with_logits(target_ids, logits)
    if not label_smoothing:
        return loss
    target_logits = tf.gather(
        logits, target_ids, axis=-1, batch_dims=target_ids.shape.rank
    )
    return loss + label_smoothing * (target_logits - tf.reduce_mean(logits, axis=-1))


def masked_cross_entropy(
    features, to_logits, target_ids, target_mask, label_smoothing=0.0
):
    """Sums `smoothed_cross_entropy` over real tokens and counts them.

    Padding is taken out before the output layer, the largest product of the model,
    sees it.

    Args:
        features: float, shape `(batch_size, target_length, embedding_dim)`: what the
            decoder returns.
        to_logits: Function from `(num_tokens, embedding_dim)` to
            `(num_tokens, vocabulary_size)`: the output layer.
        target_ids: int32, shape `(batch_size, target_length)`.
        target_mask: bool, same shape, `True` = real token. Padding adds nothing to
            the sum and nothing to the count.
        label_smoothing: Probability spread over all subwords.

    Returns:
        `LossSum`.
    """
    tf.debugging.assert_shapes(
        [(features, "BTE"), (target_ids, "BT"), (target_mask, "BT")]
    )
    logits = to_logits(tf.boolean_mask(features, target_mask))
    token_ids = tf.boolean_mask(target_ids, target_mask)
    loss = smoothed_cross_entropy(logits, token_ids, label_smoothing)
    return LossSum(tf.reduce_sum(loss), tf.cast(tf.size(token_ids), loss.dtype))
