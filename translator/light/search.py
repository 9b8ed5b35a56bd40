"""Beam search in NumPy, over any step function: what `translator.search` finds.

Only live rows are stepped: a hypothesis that is complete leaves at once, and so does a
sentence whose hypotheses are all complete.

Shapes: B batch, K beam size, N live rows (in the order of their sentences, the best of
a sentence first), M rows of the previous step, W continuations of a row, S source
length, T length of the longest hypothesis, C complete hypotheses.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from translator.tokenizer import BOS_ID, EOS_ID, PAD_ID
from translator.translations import HypothesisArrays


class Rows(NamedTuple):
    """The live rows, to be advanced by one token.

    Fields:
        ids: int64, shape `(num_rows,)`: the last token of each.
        parents: int64, same shape: the row of the previous step that each continues;
            in the first step, its sentence.
        sentences: int64, same shape: the sentence of each, in ascending order.
    """

    ids: np.ndarray
    parents: np.ndarray
    sentences: np.ndarray


class Continuations(NamedTuple):
    """What a step function returns.

    Fields:
        log_probs: float32, shape `(num_rows, num_best)`: natural-log probabilities of
            each row's most probable tokens, the best first; of as many as there are.
        ids: int64, same shape: the tokens.
        attention_weights: float32, shape `(num_rows, source_length)`.
        state: The state after the step.
    """

    log_probs: np.ndarray
    ids: np.ndarray
    attention_weights: np.ndarray
    state: Any


# Rows, the state and `num_best`, to the rows' continuations.
Step = Callable[[Rows, Any, int], Continuations]


class _Ends(NamedTuple):
    """Complete hypotheses: each `(C,)`, all of one step or of all."""

    sentences: np.ndarray
    lengths: np.ndarray
    log_probs: np.ndarray
    parents: np.ndarray  # the row, in the last step, that the last token was added to
    last_ids: np.ndarray


def beam_search(
    step: Step,
    state: Any,
    max_lengths: np.ndarray,
    beam_size: int,
    length_penalty: float = 1.0,
) -> HypothesisArrays:
    """Keeps the `beam_size` most probable beginnings at each step.

    See `translator.search.beam_search`: the beams, their order and the scores are the
    same.

    Args:
        step: Advances rows by one token.
        state: State before the first token, of one row a sentence.
        max_lengths: int, shape `(batch_size,)`: most tokens of a hypothesis, EOS
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
    batch_size = len(max_lengths)
    sentences = np.arange(batch_size)
    rows = Rows(np.full(batch_size, BOS_ID), sentences, sentences)
    log_probs = np.zeros(batch_size, np.float32)
    num_open = np.full(batch_size, beam_size)  # places of hypotheses not complete
    history: list[tuple[Rows, np.ndarray]] = []
    ends: list[_Ends] = []
    while len(rows.ids):
        # PAD and BOS may be among the best, and are not chosen.
        found = step(rows, state, num_open.max() + 2)
        state = found.state
        history.append((rows, found.attention_weights))
        sentences, parents, ids, log_probs = _choose(rows, log_probs, found, num_open)
        length = len(history)
        is_over = (ids == EOS_ID) | (length >= max_lengths[sentences])
        if is_over.any():
            lengths = np.full(len(ids), length)
            end = _Ends(sentences, lengths, log_probs, parents, ids)
            end = _Ends(*(part[is_over] for part in end))
            num_open -= np.bincount(end.sentences, minlength=batch_size)
            ends.append(end)
            is_live = ~is_over
            sentences, parents, ids, log_probs = (
                part[is_live] for part in (sentences, parents, ids, log_probs)
            )
        rows = Rows(ids, parents, sentences)
    return _collect(ends, history, batch_size, beam_size, length_penalty)


def _choose(rows: Rows, log_probs: np.ndarray, found: Continuations, num_open):
    """Returns the best continuations of each sentence, as many as it has open places.

    Returns:
        Sentences, parents, ids and log-probabilities, in the order of sentences, the
        best of a sentence first.
    """
    width = found.ids.shape[1]
    totals = found.log_probs + log_probs[:, None]
    totals[(found.ids == PAD_ID) | (found.ids == BOS_ID)] = -np.inf
    totals = totals.ravel()
    sentences = rows.sentences.repeat(width)
    # A stable sort: of equal ones the first row's first comes first.
    order = np.lexsort((-totals, sentences))
    # Sorted by sentence before and after, so the places of a sentence are the same.
    ranks = np.arange(len(order)) - sentences.searchsorted(sentences)
    totals = totals[order]
    is_kept = (ranks < num_open[sentences]) & (totals > -np.inf)
    order = order[is_kept]
    return sentences[is_kept], order // width, found.ids.ravel()[order], totals[is_kept]


def _collect(
    ends: list[_Ends],
    history: list[tuple[Rows, np.ndarray]],
    batch_size: int,
    beam_size: int,
    length_penalty: float,
) -> HypothesisArrays:
    """Sorts the complete hypotheses by score, and follows each back to its start."""
    source_length = history[0][1].shape[1] if history else 0
    found = _empty(batch_size, beam_size, len(history), source_length)
    if not ends:
        return found
    end = _Ends(*(np.concatenate(parts) for parts in zip(*ends, strict=True)))
    lengths = end.lengths.astype(np.float32)
    scores = end.log_probs / lengths ** np.float32(length_penalty)
    order = np.lexsort((-scores, end.sentences))  # stable: of equals, the earlier
    end, scores = _Ends(*(part[order] for part in end)), scores[order]
    ranks = np.arange(len(order)) - end.sentences.searchsorted(end.sentences)
    place = end.sentences, ranks
    found.lengths[place] = end.lengths
    found.log_probs[place] = end.log_probs
    found.scores[place] = scores
    found.is_finished[place] = end.last_ids == EOS_ID
    _trace_back(end, place, history, found)
    return found


def _trace_back(end: _Ends, place, history, found: HypothesisArrays) -> None:
    """Writes ids and attention weights, from the last token to the first."""
    sentences, ranks = place
    parents, ids = end.parents.copy(), end.last_ids.copy()
    for position in reversed(range(len(history))):
        rows, weights = history[position]
        [inside] = (position < end.lengths).nonzero()
        own = sentences[inside], ranks[inside], position
        own_parents = parents[inside]
        found.ids[own] = ids[inside]
        found.attention_weights[own] = weights[own_parents]
        # The token before it, and the row that this one was added to.
        ids[inside] = rows.ids[own_parents]
        parents[inside] = rows.parents[own_parents]


def _empty(batch_size, beam_size, length, source_length) -> HypothesisArrays:
    """Hypotheses that are none."""
    shape = batch_size, beam_size
    return HypothesisArrays(
        ids=np.full((*shape, length), PAD_ID, np.int32),
        lengths=np.zeros(shape, np.int32),
        log_probs=np.full(shape, -np.inf, np.float32),
        scores=np.full(shape, -np.inf, np.float32),
        is_finished=np.zeros(shape, bool),
        attention_weights=np.zeros((*shape, length, source_length), np.float32),
    )
