"""Search for the most probable translations, over a step function.

Search does not know the model: it is given a function that advances any state by one
token. Everything runs in the graph, for a batch of sentences.

A step costs what is left to do: it has as many rows for each sentence as the widest
beam still has hypotheses that grow, and sentences that are done leave the batch.

Shapes: B batch, K beam size, V vocabulary size, S source length, T length of the
longest hypothesis. Of a step: L sentences left, W places for hypotheses of each, N =
L * W rows (row l * W + w is hypothesis w of sentence l).
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


# Last tokens, int32 `(num_rows,)`, the state, and the memory of the sentences that are
# left, to the next.
Step = Callable[[tf.Tensor, Any, Any], StepResult]


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
        token_log_probs: float32, shape as of `ids`: natural-log probability of each
            token, given those before it; zero behind the end.
        attention_weights: float, shape `(batch_size, beam_size, length,
            source_length)`; zero behind the end.
    """

    ids: tf.Tensor
    lengths: tf.Tensor
    log_probs: tf.Tensor
    scores: tf.Tensor
    is_finished: tf.Tensor
    token_log_probs: tf.Tensor
    attention_weights: tf.Tensor


class _Complete(NamedTuple):
    """Hypotheses that grow no more, as pointers into the steps; each `(L, K)`."""

    scores: tf.Tensor
    log_probs: tf.Tensor
    lengths: tf.Tensor
    parents: tf.Tensor  # the place that the last token was added to
    last_ids: tf.Tensor


class _Beam(NamedTuple):
    """The hypotheses that grow, of the sentences that are left, the best first."""

    ids: tf.Tensor  # (L, W), the last token of each
    log_probs: tf.Tensor  # (L, W), minus infinity where a place is empty
    state: Any  # N rows
    memory: Any  # L rows
    max_lengths: tf.Tensor  # (L,)
    complete: _Complete  # those of the same sentences
    sentences: tf.Tensor  # (L,), which of the batch are left


class _Done(NamedTuple):
    """What the sentences of the batch found that have left it."""

    complete: _Complete  # (B, K)
    places: tf.Tensor  # (B,), the place of each sentence among those left


class _History(NamedTuple):
    """Arrays of what each step chose, in the order of the sentences then left."""

    ids: tf.TensorArray  # (L, W)
    parents: tf.TensorArray  # (L, W), places at the step before
    log_probs: tf.TensorArray  # (L, W), of all tokens so far
    attention_weights: tf.TensorArray  # (L, W at the step before, S)
    places: tf.TensorArray  # (B,)


def beam_search(
    step: Step,
    state: Any,
    memory: Any,
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
        memory: What steps see of the source; first axis `batch_size`.
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
    beam, done, history = _start(state, memory, max_lengths, beam_size)

    def is_going(position, beam, *_):
        return (position == 0) | tf.reduce_any(beam.log_probs > _NEVER)

    def advance(position, beam, done, history):
        result = step(tf.reshape(beam.ids, [-1]), beam.state, beam.memory)
        log_probs, parents, ids = _choose(result.logits, beam.log_probs, beam_size)
        # Places of complete hypotheses stay empty.
        num_complete = tf.reduce_sum(_count(beam.complete.lengths > 0), axis=1)
        is_kept = tf.range(tf.shape(ids)[1]) < beam_size - num_complete[:, None]
        log_probs = tf.where(is_kept, log_probs, _NEVER)
        length = position + 1
        is_over = (ids == EOS_ID) | (length >= beam.max_lengths[:, None])
        ended = tf.where(is_over, log_probs, _NEVER)
        complete = _add_complete(
            beam.complete, ended, length, parents, ids, length_penalty
        )
        growing = tf.where(is_over, _NEVER, log_probs)
        growing, parents, ids = _narrow(growing, parents, ids)
        shape = tf.shape(beam.ids)  # (L, W), before this step
        weights = tf.cast(result.attention_weights, tf.float32)
        weights = tf.reshape(weights, [*tf.unstack(shape), tf.shape(weights)[1]])
        values = ids, parents, growing, weights, done.places
        history = _History(
            *(
                array.write(position, value)
                for array, value in zip(history, values, strict=True)
            )
        )
        rows = tf.range(shape[0])[:, None] * shape[1] + parents
        beam = beam._replace(log_probs=growing, ids=ids, complete=complete)
        beam, rows, done = _drop_done(beam, rows, done)
        rows = tf.reshape(rows, [-1])
        state = tf.nest.map_structure(lambda x: tf.gather(x, rows), result.state)
        return length, beam._replace(state=state), done, history

    num_steps, beam, done, history = tf.while_loop(
        is_going,
        advance,
        (0, beam, done, history),
        shape_invariants=_shapes(beam, done, history, beam_size),
    )
    return _trace_back(_collect(beam, done), history, num_steps)


def _start(state, memory, max_lengths, beam_size):
    """One empty beginning for each sentence, and nothing done."""
    batch_size = tf.size(max_lengths)
    every = tf.range(batch_size)
    complete = _nothing_complete(batch_size, beam_size)
    beam = _Beam(
        ids=tf.fill([batch_size, 1], BOS_ID),
        log_probs=tf.zeros([batch_size, 1]),
        state=state,
        memory=memory,
        max_lengths=max_lengths,
        complete=complete,
        sentences=every,
    )
    history = _History(
        *(
            # The elements of one array have the shapes of their steps.
            tf.TensorArray(
                dtype, 0, dynamic_size=True, infer_shape=False, element_shape=shape
            )
            for dtype, shape in (
                (tf.int32, [None, None]),
                (tf.int32, [None, None]),
                (tf.float32, [None, None]),
                (tf.float32, [None, None, None]),
                (tf.int32, [None]),
            )
        )
    )
    return beam, _Done(complete, every), history


def _shapes(beam, done, history, beam_size):
    """Shapes of the loop's variables: sentences leave, and beams narrow."""

    def any_rows(tensors):
        return tf.nest.map_structure(
            lambda x: tf.TensorShape([None, *x.shape[1:]]), tensors
        )

    one, two = tf.TensorShape([None]), tf.TensorShape([None, None])
    complete = _Complete(*[tf.TensorShape([None, beam_size])] * len(done.complete))
    return (
        tf.TensorShape([]),
        _Beam(
            two, two, any_rows(beam.state), any_rows(beam.memory), one, complete, one
        ),
        _Done(complete, one),
        _History(*[tf.TensorShape(None)] * len(history)),
    )


def _choose(logits, log_probs, beam_size):
    """Returns the best continuations: log-probabilities, parents, ids; `(L, <= K)`."""
    num_sentences, num_places = tf.unstack(tf.shape(log_probs))
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
    shape = [num_sentences, num_places, width]
    totals = tf.reshape(row_logits - normalizer, shape) + log_probs[:, :, None]
    totals = tf.reshape(totals, [num_sentences, num_places * width])
    num_chosen = tf.minimum(beam_size, num_places * width)
    best, places = tf.math.top_k(totals, num_chosen)
    ids = tf.reshape(row_ids, [num_sentences, num_places * width])
    return best, places // width, tf.gather(ids, places, batch_dims=1)


def _narrow(log_probs, parents, ids):
    """Puts those that grow first, in as few places as the widest beam needs."""
    num_growing = tf.reduce_sum(_count(log_probs > _NEVER), axis=1)  # (L,)
    num_places = tf.maximum(tf.reduce_max(num_growing), 1)
    log_probs, order = tf.math.top_k(log_probs, num_places)
    parents = tf.gather(parents, order, batch_dims=1)
    return log_probs, parents, tf.gather(ids, order, batch_dims=1)


def _drop_done(beam, rows, done):
    """Takes the sentences that are done out of the batch, if it is worth the copying.

    Args:
        beam: After the step, its state before it.
        rows: int32, shape `(L, W)`: rows of the state to go on with.
        done: Of the sentences that left before.
    """
    is_left = beam.log_probs[:, 0] > _NEVER
    num_left = tf.reduce_sum(_count(is_left))

    def drop():
        left = tf.where(is_left)[:, 0]
        sentences = tf.gather(beam.sentences, left)
        batch_size = tf.shape(done.places)
        places = tf.scatter_nd(sentences[:, None], tf.range(num_left), batch_size)
        kept = tf.nest.map_structure(
            lambda x: tf.gather(x, left), beam._replace(state=rows)
        )
        return (
            kept._replace(state=beam.state),
            kept.state,
            _Done(_collect(beam, done), places),
        )

    many_are_done = 4 * num_left <= 3 * tf.size(beam.sentences)
    return tf.cond(many_are_done & (num_left > 0), drop, lambda: (beam, rows, done))


def _collect(beam, done):
    """Returns the complete hypotheses of all sentences of the batch, `(B, K)`."""
    places = beam.sentences[:, None]
    return _Complete(
        *(
            tf.tensor_scatter_nd_update(all_of_them, places, some)
            for all_of_them, some in zip(done.complete, beam.complete, strict=True)
        )
    )


def _count(conditions):
    return tf.cast(conditions, tf.int32)


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
    scores, places = tf.math.top_k(both[0], tf.shape(complete.scores)[1])
    rest = [tf.gather(part, places, batch_dims=1) for part in both[1:]]
    return _Complete(scores, *rest)


def _trace_back(complete, history, num_steps):
    """Follows each complete hypothesis from its end to its beginning."""
    dtypes = tf.int32, tf.float32, tf.float32
    arrays = [tf.TensorArray(dtype, num_steps) for dtype in dtypes]

    def go_back(position, beam_places, *arrays):
        is_last = position == complete.lengths - 1
        is_inside = position < complete.lengths
        sentence_places = history.places.read(position)

        def of_hypotheses(array, beam_places):
            of_sentences = tf.gather(array.read(position), sentence_places)
            # Behind the end of a hypothesis its place may be there no more.
            last_place = tf.shape(of_sentences)[1] - 1
            beam_places = tf.minimum(beam_places, last_place)
            return tf.gather(of_sentences, beam_places, batch_dims=1)

        ids, parents, log_probs = (
            tf.where(is_last, last, of_hypotheses(array, beam_places))
            for array, last in (
                (history.ids, complete.last_ids),
                (history.parents, complete.parents),
                (history.log_probs, complete.log_probs),
            )
        )
        beam_places = tf.where(is_inside, parents, beam_places)
        weights = of_hypotheses(history.attention_weights, beam_places)  # (B, K, S)
        values = (
            tf.where(is_inside, ids, PAD_ID),
            tf.where(is_inside, log_probs, 0.0),
            tf.where(is_inside[..., None], weights, 0.0),
        )
        return (
            position - 1,
            beam_places,
            *(
                array.write(position, value)
                for array, value in zip(arrays, values, strict=True)
            ),
        )

    *_, ids, log_probs, weights = tf.while_loop(
        lambda position, *_: position >= 0,
        go_back,
        (num_steps - 1, tf.zeros_like(complete.parents), *arrays),
    )
    ids = tf.transpose(ids.stack(), [1, 2, 0])
    log_probs = tf.transpose(log_probs.stack(), [1, 2, 0])  # of all tokens so far
    before = tf.pad(log_probs[..., :-1], [[0, 0], [0, 0], [1, 0]])
    return Hypotheses(
        ids=ids,
        lengths=complete.lengths,
        log_probs=complete.log_probs,
        scores=complete.scores,
        is_finished=complete.last_ids == EOS_ID,
        token_log_probs=tf.where(ids == PAD_ID, 0.0, log_probs - before),
        attention_weights=tf.transpose(weights.stack(), [1, 2, 0, 3]),
    )
