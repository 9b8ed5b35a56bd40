"""Search for the most probable translations, over a step function.

Search does not know the model: it is given a function that advances any state by one
token. Everything runs in the graph, for a batch of sentences.

Shapes: B batch, K beam size, N = B * K rows (row b * K + k is hypothesis k of sentence
b), V vocabulary size, S source length, T length of the longest hypothesis.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from translator.tokenizer import BOS_ID, EOS_ID, PAD_ID

_NEVER = float("-inf")
# Logits in a block of `_top_k`; 16 to 64 are equally fast for vocabularies near 6,000.
_BLOCK_SIZE = 32


class StepResult(NamedTuple):
    """What a step function returns.

    Fields:
        logits: float32, shape `(num_rows, vocabulary_size)`.
        state: The state after the step, of the structure that was given; each tensor's
            first axis is `num_rows`.
        attention_weights: float, shape `(num_rows, source_length)`.
    """

    logits: tf.Tensor
    state: Any
    attention_weights: tf.Tensor


# Last tokens, int32 `(num_rows,)`, and the state, to the next.
Step = Callable[[tf.Tensor, Any], StepResult]


class Hypotheses(NamedTuple):
    """The hypotheses of each sentence, the best first.

    Fields:
        ids: int32, shape `(batch_size, beam_size, length)`, EOS counted, `PAD_ID`
            behind it.
        lengths: int32, shape `(batch_size, beam_size)`, in tokens with EOS. 0 where
            there are fewer hypotheses than the beam could hold.
        log_probs: float32, shape `(batch_size, beam_size)`: natural-log probability
            of all tokens of the hypothesis.
        scores: float32, same shape: `log_prob / length ** length_penalty`, sorted.
        is_finished: bool, same shape: whether it ends in EOS, or was cut off.
        attention_weights: float, shape `(batch_size, beam_size, length,
            source_length)`; zero behind the end.
    """

    ids: tf.Tensor
    lengths: tf.Tensor
    log_probs: tf.Tensor
    scores: tf.Tensor
    is_finished: tf.Tensor
    attention_weights: tf.Tensor


class _Complete(NamedTuple):
    """Hypotheses that grow no more, as pointers into the steps; each `(B, K)`."""

    scores: tf.Tensor
    log_probs: tf.Tensor
    lengths: tf.Tensor
    parents: tf.Tensor  # the beam's row that the last token was added to
    last_ids: tf.Tensor


def greedy_search(step: Step, state: Any, max_lengths: tf.Tensor) -> Hypotheses:
    """Takes the most probable token at each step: `beam_search` with a beam of 1."""
    return beam_search(step, state, max_lengths, beam_size=1)


def beam_search(
    step: Step,
    state: Any,
    max_lengths: tf.Tensor,
    beam_size: int,
    length_penalty: float = 1.0,
) -> Hypotheses:
    """Keeps the `beam_size` most probable beginnings at each step.

    A hypothesis that takes EOS, or reaches its longest length, leaves the beam for
    good, and the beam of its sentence is one narrower from then on; the sentence is
    done when `beam_size` hypotheses have left. At one step all beginnings have the
    same length, so they compete by probability; complete ones are ranked by score.

    PAD and BOS are never chosen; the probabilities of the others are the model's.

    Source: Sutskever et al. 2014, section 3.2 (the narrowing beam); Wu et al. 2016,
    section 7, for penalties of length.

    Args:
        step: Advances rows by one token.
        state: State before the first token; first axis `batch_size`.
        max_lengths: int32, shape `(batch_size,)`: most tokens of a hypothesis, EOS
            counted; at least 1.
        beam_size: K.
        length_penalty: Exponent of the length in the score.

    Raises:
        ValueError: A beam without a place.
    """
    if beam_size < 1:
        raise ValueError(
            f"beam_size must be at least 1. Received: beam_size={beam_size}. "
            "Use 1 for greedy search."
        )
    batch_size = tf.shape(max_lengths)[0]
    state = tf.nest.map_structure(lambda x: tf.repeat(x, beam_size, axis=0), state)
    ids = tf.fill([batch_size, beam_size], BOS_ID)
    # All rows of a sentence are the same at first: only one of them may compete.
    first = tf.one_hot(0, beam_size, on_value=0.0, off_value=_NEVER)
    log_probs = tf.tile(first[None], [batch_size, 1])  # (B, K)
    complete = _nothing_complete(batch_size, beam_size)
    history = tuple(
        tf.TensorArray(dtype, 0, dynamic_size=True)
        for dtype in (tf.int32, tf.int32, tf.float32)
    )

    def is_going(position, ids, log_probs, *_):
        return (position == 0) | tf.reduce_any(log_probs > _NEVER)

    def advance(position, ids, log_probs, state, complete, history):
        result = step(tf.reshape(ids, [-1]), state)
        log_probs, parents, ids = _choose(result.logits, log_probs, beam_size)
        # Places of complete hypotheses stay empty.
        num_complete = tf.reduce_sum(tf.cast(complete.lengths > 0, tf.int32), axis=1)
        is_kept = tf.range(beam_size) < beam_size - num_complete[:, None]
        log_probs = tf.where(is_kept, log_probs, _NEVER)
        length = position + 1
        is_over = (ids == EOS_ID) | (length >= max_lengths[:, None])
        complete = _add_complete(
            complete,
            tf.where(is_over, log_probs, _NEVER),
            length,
            parents,
            ids,
            length_penalty,
        )
        log_probs = tf.where(is_over, _NEVER, log_probs)
        rows = tf.reshape(tf.range(batch_size)[:, None] * beam_size + parents, [-1])
        state = tf.nest.map_structure(lambda x: tf.gather(x, rows), result.state)
        source_length = tf.shape(result.attention_weights)[1]
        weights = tf.reshape(  # (B, K, S), of the rows before they were chosen from
            tf.cast(result.attention_weights, tf.float32),
            [batch_size, beam_size, source_length],
        )
        history = tuple(
            array.write(position, value)
            for array, value in zip(history, (ids, parents, weights), strict=True)
        )
        return length, ids, log_probs, state, complete, history

    state_shapes = tf.nest.map_structure(
        lambda x: tf.TensorShape([None, *x.shape[1:]]), state
    )
    *_, complete, history = tf.while_loop(
        is_going,
        advance,
        (0, ids, log_probs, state, complete, history),
        shape_invariants=(
            tf.TensorShape([]),
            tf.TensorShape([None, beam_size]),
            tf.TensorShape([None, beam_size]),
            state_shapes,
            _Complete(*[tf.TensorShape([None, beam_size])] * len(complete)),
            tuple(tf.TensorShape(None) for _ in history),
        ),
    )
    return _trace_back(complete, *(array.stack() for array in history))


def _choose(logits, log_probs, beam_size):
    """Returns the best continuations: log-probabilities, parents, ids; `(B, K)`."""
    batch_size = tf.shape(log_probs)[0]
    vocabulary_size = tf.shape(logits)[1]
    normalizer = tf.reduce_logsumexp(logits, axis=-1, keepdims=True)  # (N, 1)
    banned = tf.where(
        tf.reduce_any(tf.one_hot([PAD_ID, BOS_ID], vocabulary_size) > 0, axis=0),
        _NEVER,
        0.0,
    )
    width = tf.minimum(beam_size, vocabulary_size)
    # First the best of each row, then the best of each sentence.
    row_logits, row_ids = _top_k(logits + banned, width)  # (N, width)
    totals = tf.reshape(row_logits - normalizer, [batch_size, beam_size, width])
    totals = tf.reshape(totals + log_probs[:, :, None], [batch_size, -1])
    best, places = tf.math.top_k(totals, beam_size)  # (B, K)
    ids = tf.gather(tf.reshape(row_ids, [batch_size, -1]), places, batch_dims=1)
    return best, places // width, ids


def _top_k(logits, k):
    """`tf.math.top_k`, about three times faster on a CPU where `k` is small.

    The best k are in the k blocks whose best are best: all others need not be sorted.
    """
    num_rows, vocabulary_size = tf.unstack(tf.shape(logits))
    padding = -vocabulary_size % _BLOCK_SIZE
    padded = tf.pad(logits, [[0, 0], [0, padding]], constant_values=_NEVER)
    blocks = tf.reshape(padded, [num_rows, -1, _BLOCK_SIZE])
    num_blocks = tf.minimum(k, tf.shape(blocks)[1])
    _, best_blocks = tf.math.top_k(tf.reduce_max(blocks, axis=2), num_blocks)
    candidates = tf.gather(blocks, best_blocks, batch_dims=1)
    best, places = tf.math.top_k(
        tf.reshape(candidates, [num_rows, num_blocks * _BLOCK_SIZE]), k
    )
    chosen_blocks = tf.gather(best_blocks, places // _BLOCK_SIZE, batch_dims=1)
    ids = chosen_blocks * _BLOCK_SIZE + places % _BLOCK_SIZE
    # Padding ties with logits of minus infinity, and is no id that a step could take.
    return best, tf.minimum(ids, vocabulary_size - 1)


def _nothing_complete(batch_size, beam_size):
    shape = [batch_size, beam_size]
    return _Complete(
        scores=tf.fill(shape, _NEVER),
        log_probs=tf.fill(shape, _NEVER),
        lengths=tf.zeros(shape, tf.int32),
        parents=tf.zeros(shape, tf.int32),
        last_ids=tf.fill(shape, PAD_ID),
    )


def _add_complete(complete, log_probs, length, parents, ids, length_penalty):
    """Adds the hypotheses whose log-probability is finite, and sorts by score."""
    is_new = log_probs > _NEVER
    divisor = tf.cast(length, tf.float32) ** length_penalty
    new = _Complete(
        scores=log_probs / divisor,
        log_probs=log_probs,
        lengths=tf.where(is_new, length, 0),
        parents=parents,
        last_ids=ids,
    )
    both = [tf.concat(parts, axis=1) for parts in zip(complete, new, strict=True)]
    scores, places = tf.math.top_k(both[0], tf.shape(parents)[1])
    rest = [tf.gather(part, places, batch_dims=1) for part in both[1:]]
    return _Complete(scores, *rest)


def _trace_back(complete, step_ids, step_parents, step_weights):
    """Follows each complete hypothesis from its end to its beginning.

    Args:
        complete: The ends.
        step_ids, step_parents: int32, shape `(length, batch_size, beam_size)`.
        step_weights: float32, shape `(length, batch_size, beam_size, source_length)`.
    """
    num_steps = tf.shape(step_ids)[0]
    ids = tf.TensorArray(tf.int32, num_steps)
    weights = tf.TensorArray(tf.float32, num_steps)

    def go_back(position, rows, ids, weights):
        is_last = position == complete.lengths - 1
        is_inside = position < complete.lengths
        own_ids = tf.gather(step_ids[position], rows, batch_dims=1)
        parents = tf.gather(step_parents[position], rows, batch_dims=1)
        own_ids = tf.where(is_last, complete.last_ids, own_ids)
        rows = tf.where(is_last, complete.parents, tf.where(is_inside, parents, rows))
        own_weights = tf.gather(step_weights[position], rows, batch_dims=1)  # (B, K, S)
        return (
            position - 1,
            rows,
            ids.write(position, tf.where(is_inside, own_ids, PAD_ID)),
            weights.write(position, tf.where(is_inside[..., None], own_weights, 0.0)),
        )

    *_, ids, weights = tf.while_loop(
        lambda position, *_: position >= 0,
        go_back,
        (num_steps - 1, tf.zeros_like(complete.parents), ids, weights),
    )
    return Hypotheses(
        ids=tf.transpose(ids.stack(), [1, 2, 0]),
        lengths=complete.lengths,
        log_probs=complete.log_probs,
        scores=complete.scores,
        is_finished=complete.last_ids == EOS_ID,
        attention_weights=tf.transpose(weights.stack(), [1, 2, 0, 3]),
    )
