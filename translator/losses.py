"""The training objective: label-smoothed cross-entropy over real tokens.

Shapes: B batch, T target length, E embedding dim, V vocabulary size, N real tokens of
a batch, or of a block of it, P passes over a batch, R = P * B rows.
"""

from typing import NamedTuple

import tensorflow as tf

# Logits in memory at a time, 16 MB: they stay in the processor's cache while they are
# made, normalised and turned into gradients. See benchmarks/notes.md.
_BLOCK_SIZE = 4_000_000


class LossSum(NamedTuple):
    """A loss as a sum and its count, so that parts of a batch can be added up.

    Fields:
        total: float scalar, nats summed over the real target tokens.
        num_tokens: float scalar, how many there were. `total / num_tokens` is the
            loss in nats per target token, its exponential the perplexity.
    """

    total: tf.Tensor
    num_tokens: tf.Tensor


def masked_cross_entropy(
    features, kernel, bias, target_ids, target_mask, label_smoothing=0.0, r_drop=0.0
):
    """Sums the cross-entropy of an output layer's predictions over real tokens.

    Each token's target is one-hot, mixed with a uniform one:

        loss = -(1 - e) log p(target) - e / V * sum over v of log p(v)
        p = softmax(W features + b)

    with e the smoothing.

    The output layer, the largest product of the model, never sees padding, and its
    logits are never in memory as a whole: a block of tokens at a time goes through
    the layer, the loss and the gradients of both.

    With `r_drop` a, the features are of two passes over the same batch, with other
    dropout masks, and the predictions p and q of the two shall agree. A token's loss is
    then the mean of its two losses, and

        a / 4 * (KL(p, q) + KL(q, p))

    Source: Szegedy et al. 2016, "Rethinking the Inception Architecture", section 7;
    Liang et al. 2021, "R-Drop", equation 4, halved.

    Args:
        features: float, shape `(batch_size, target_length, embedding_dim)`: what the
            decoder returns. With `r_drop`, `2 * batch_size` rows: the first pass, then
            the second.
        kernel: W, float, shape `(vocabulary_size, embedding_dim)`.
        bias: b, float, shape `(vocabulary_size,)`.
        target_ids: int32, shape `(batch_size, target_length)`, each in
            `[0, vocabulary_size)`.
        target_mask: bool, same shape, `True` = real token. Padding adds nothing to
            the sum and nothing to the count.
        label_smoothing: e, the probability spread over all subwords.
        r_drop: a, how much the two passes' agreement weighs; 0 for one pass.

    Returns:
        `LossSum`, float32.

    Raises:
        ValueError, tf.errors.InvalidArgumentError: Shapes that do not fit.
    """
    num_passes = 2 if r_drop else 1
    num_rows, num_targets = tf.shape(features)[0], tf.shape(target_ids)[0]
    with tf.device("CPU:0"):  # where sizes are known: a GPU would be waited for
        tf.debugging.assert_equal(
            num_rows,
            num_passes * num_targets,
            f"the features must have {num_passes} rows for each row of targets",
        )
    tf.debugging.assert_shapes(
        [
            (features, "RTE"),
            (kernel, "VE"),
            (bias, "V"),
            (target_ids, "BT"),
            (target_mask, "BT"),
        ]
    )
    # On the CPU, where token ids are: how many are real decides what a GPU has to do.
    with tf.device("CPU:0"):
        places = tf.where(tf.reshape(target_mask, [-1]))[:, 0]  # (N,)
        token_ids = tf.gather(tf.reshape(target_ids, [-1]), places)
        passes = tf.range(num_passes, dtype=places.dtype)
        places = places[:, None] + passes * tf.size(target_ids, places.dtype)  # (N, P)

    @tf.custom_gradient
    def run(features, kernel, bias):
        total, gradients = _sum_over_blocks(
            features, kernel, bias, token_ids, label_smoothing, r_drop
        )

        def scale(d_total):  # in float32: the scale of a float16 loss is large
            return [
                tf.cast(d_total * tf.cast(gradient, tf.float32), gradient.dtype)
                for gradient in gradients
            ]

        return total, scale

    # Keras variables are no tensors yet; only tensors have gradients here.
    total = run(
        tf.gather(tf.reshape(features, [-1, features.shape[-1]]), places),
        tf.convert_to_tensor(kernel),
        tf.convert_to_tensor(bias),
    )
    return LossSum(total / num_passes, tf.cast(tf.size(token_ids), total.dtype))


def smoothed_cross_entropy(logits, target_ids, label_smoothing=0.0):
    """The loss of each token, and its gradient by the logits.

    In closed form, so neither a one-hot matrix nor a second softmax is made:

        loss = log(sum over v of exp logit(v)) - (1 - e) logit(target) - e mean(logits)

    Args:
        logits: float32, shape `(num_tokens, vocabulary_size)`.
        target_ids: int32, shape `(num_tokens,)`.
        label_smoothing: e.

    Returns:
        float32 of shape `(num_tokens,)`, in nats, and of the shape of the logits.
    """
    probs = tf.nn.softmax(logits)
    # The most probable token has p = 1 / sum(exp(logits - max)), at least 1 / V.
    normalizer = tf.reduce_max(logits, axis=-1) - tf.math.log(
        tf.reduce_max(probs, axis=-1)
    )
    places = tf.stack([tf.range(tf.size(target_ids)), target_ids], axis=1)  # (N, 2)
    target_share = 1.0 - label_smoothing
    target_logits = tf.gather(logits, target_ids, axis=1, batch_dims=1)
    loss = normalizer - target_share * target_logits
    if label_smoothing:
        loss -= label_smoothing * tf.reduce_mean(logits, axis=-1)
        probs -= label_smoothing / tf.cast(tf.shape(logits)[-1], probs.dtype)
    d_logits = tf.tensor_scatter_nd_sub(
        probs, places, tf.fill([tf.size(target_ids)], target_share)
    )
    return loss, d_logits


def symmetric_divergence(logits):
    """KL(p, q) + KL(q, p) of pairs of predictions, and its gradient by the logits.

        d = logits of p - logits of q
        loss = sum over v of (p - q) d
        gradient by the logits of p: p (d - sum over v of p d) + p - q; of q likewise

    Args:
        logits: float32, shape `(2, num_tokens, vocabulary_size)`: of p, of q.

    Returns:
        float32 of shape `(num_tokens,)`, in nats, and of the shape of the logits.
    """
    p, q = tf.unstack(tf.nn.softmax(logits))  # (N, V)
    difference = logits[0] - logits[1]
    mean_p, mean_q = (
        tf.reduce_sum(probs * difference, axis=-1, keepdims=True) for probs in (p, q)
    )
    d_p = p * (difference - (mean_p - 1)) - q
    d_q = q * ((mean_q + 1) - difference) - p
    return (mean_p - mean_q)[:, 0], tf.stack([d_p, d_q])


def _sum_over_blocks(features, kernel, bias, token_ids, label_smoothing, r_drop):
    """Returns the loss summed over tokens and passes, and its gradients.

    Args:
        features: float, shape `(num_tokens, num_passes, embedding_dim)`.
    """
    num_passes, num_features = features.shape[1:]
    num_tokens = tf.size(token_ids)
    num_rows = num_tokens * num_passes
    num_blocks = 1 + num_rows // max(1, _BLOCK_SIZE // kernel.shape[0])
    output_kernel = tf.cast(kernel, features.dtype)

    def add_block(index, total, d_features, d_kernel, d_bias):
        start = num_tokens * index // num_blocks
        stop = num_tokens * (index + 1) // num_blocks
        block = tf.transpose(features[start:stop], [1, 0, 2])  # (P, N, E)
        block = tf.reshape(block, [-1, num_features])  # (P * N, E)
        logits = tf.matmul(block, output_kernel, transpose_b=True)  # (P * N, V)
        loss, d_logits = _loss_of_passes(
            tf.cast(logits, tf.float32) + bias,
            token_ids[start:stop],
            label_smoothing,
            r_drop,
        )
        d_bias += tf.reduce_sum(d_logits, axis=0)
        d_logits = tf.cast(d_logits, features.dtype)
        d_block = tf.matmul(d_logits, output_kernel)
        d_block = tf.reshape(d_block, [num_passes, -1, num_features])
        d_features = d_features.write(index, tf.transpose(d_block, [1, 0, 2]))
        d_kernel += tf.cast(
            tf.matmul(d_logits, block, transpose_a=True), d_kernel.dtype
        )
        return index + 1, total + loss, d_features, d_kernel, d_bias

    blocks = tf.TensorArray(
        features.dtype,
        num_blocks,
        element_shape=[None, num_passes, num_features],
        infer_shape=False,
    )
    _, total, d_features, d_kernel, d_bias = tf.while_loop(
        lambda index, *_: index < num_blocks,
        add_block,
        (0, 0.0, blocks, tf.zeros_like(kernel), tf.zeros_like(bias)),
        parallel_iterations=1,  # one block in memory at a time
    )
    return total, (d_features.concat(), d_kernel, d_bias)


def _loss_of_passes(logits, target_ids, label_smoothing, r_drop):
    """Returns the loss summed over tokens and passes, and its gradient.

    Args:
        logits: float32, shape `(num_passes * num_tokens, vocabulary_size)`.
        target_ids: int32, shape `(num_tokens,)`.
    """
    if not r_drop:
        loss, d_logits = smoothed_cross_entropy(logits, target_ids, label_smoothing)
        return tf.reduce_sum(loss), d_logits
    both_ids = tf.concat([target_ids, target_ids], axis=0)
    loss, d_logits = smoothed_cross_entropy(logits, both_ids, label_smoothing)
    pairs = tf.reshape(logits, [2, -1, logits.shape[-1]])
    divergence, d_pairs = symmetric_divergence(pairs)
    d_pairs = tf.reshape(d_pairs, tf.shape(logits))
    total = tf.reduce_sum(loss) + r_drop / 2 * tf.reduce_sum(divergence)
    return total, d_logits + r_drop / 2 * d_pairs
