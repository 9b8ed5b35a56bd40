"""Beam search in NumPy, over any step function: what `translator.search` finds.

Only live rows are stepped: a hypothesis that is complete leaves at once, and so does a
sentence whose hypotheses are all complete. It can be watched at work, and be given the
beginnings of its translations.

Shapes: B batch, K beam size, N live rows (in the order of their sentences, the best of
a sentence first), M rows of the previous step, W continuations of a row, S source
length, T length of the longest hypothesis, C complete hypotheses.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from translator.tokenizer import BOS_ID, EOS_ID, PAD_ID

# Asks a step function for all tokens.
ALL = np.iinfo(np.int32).max


class HypothesisArrays(NamedTuple):
    """What a search found for a batch of sentences, the best hypotheses first.

    Fields: as of `search.Hypotheses`, but NumPy arrays.
    """

    ids: np.ndarray
    lengths: np.ndarray
    log_probs: np.ndarray
    scores: np.ndarray
    is_finished: np.ndarray
    token_log_probs: np.ndarray
    attention_weights: np.ndarray


class Rows(NamedTuple):
    """The live rows, to be advanced by one token.

    Fields:
        ids: Integers, shape `(num_rows,)`: the last token of each.
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
        ids: Integers, same shape: the tokens.
        attention_weights: float32, shape `(num_rows, source_length)`.
        state: The state after the step.
    """

    log_probs: np.ndarray
    ids: np.ndarray
    attention_weights: np.ndarray
    state: Any


# Rows, the state and `num_best`, to the rows' continuations.
Step = Callable[[Rows, Any, int], Continuations]


class Choice(NamedTuple):
    """What a step chose among: beginnings in the order of their sentences, the best of
    a sentence first; each shape `(num_beginnings,)`.

    Fields:
        sentences: int64: the sentence of each.
        parents: int64: the row that each continues.
        ids: Integers: the token that each adds.
        log_probs: float32: natural-log probability of each, all tokens together.
        is_kept: bool: whether it had a place in the beam.
        is_over: bool: whether it was kept and is complete. The others that were kept
            are the next step's rows, in this order.
    """

    sentences: np.ndarray
    parents: np.ndarray
    ids: np.ndarray
    log_probs: np.ndarray
    is_kept: np.ndarray
    is_over: np.ndarray


class _Past(NamedTuple):
    """A step: its rows, their log-probabilities before it, where they looked in it."""

    rows: Rows
    log_probs: np.ndarray
    attention_weights: np.ndarray


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
    prefixes: Sequence[Sequence[int]] = (),
    watch: Callable[[Choice], None] | None = None,
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
        prefixes: For each sentence the ids that its hypotheses begin with, none of them
            special; the search starts behind them. Empty: none has any.
        watch: Is told what each step chose, and what it dropped: the best of it, as
            many as were kept, and two.

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
    history: list[_Past] = []
    ends: list[_Ends] = []
    while len(rows.ids):
        forced_ids = _forced_ids(prefixes, len(history))
        # PAD and BOS may be among the best, and are not chosen.
        num_best = _num_shown(num_open.max(), bool(watch)) + 2
        num_best = num_best if forced_ids is None else ALL
        found = step(rows, state, num_best)
        state = found.state
        history.append(_Past(rows, log_probs, found.attention_weights))
        choice = _choose(rows, log_probs, found, num_open, forced_ids, bool(watch))
        sentences, parents, ids, log_probs, is_kept, _ = choice
        length = len(history)
        is_over = is_kept & ((ids == EOS_ID) | (length >= max_lengths[sentences]))
        if watch:
            watch(choice._replace(is_over=is_over))
        if is_over.any():
            lengths = np.full(len(ids), length)
            end = _Ends(sentences, lengths, log_probs, parents, ids)
            end = _Ends(*(part[is_over] for part in end))
            num_open -= np.bincount(end.sentences, minlength=batch_size)
            ends.append(end)
        is_live = is_kept & ~is_over
        if not is_live.all():
            sentences, parents, ids, log_probs = (
                part[is_live] for part in (sentences, parents, ids, log_probs)
            )
        rows = Rows(ids, parents, sentences)
    return _collect(ends, history, batch_size, beam_size, length_penalty)


def _forced_ids(prefixes: Sequence[Sequence[int]], position: int) -> np.ndarray | None:
    """Returns the id that each sentence must take, `PAD_ID` for any; or None if all are
    free."""
    if all(position >= len(prefix) for prefix in prefixes):
        return None
    padded = ([*prefix, PAD_ID] for prefix in prefixes)
    return np.array([ids[min(position, len(ids) - 1)] for ids in padded])


def _choose(
    rows: Rows,
    log_probs: np.ndarray,
    found: Continuations,
    num_open: np.ndarray,
    forced_ids: np.ndarray | None,
    with_dropped: bool,
) -> Choice:
    """Returns the best continuations of each sentence, as many as it has open places;
    on request the next best, too."""
    width = found.ids.shape[1]
    totals = found.log_probs + log_probs[:, None]
    is_banned = (found.ids == PAD_ID) | (found.ids == BOS_ID)
    if forced_ids is not None:
        own = forced_ids[rows.sentences][:, None]
        is_banned |= (own != PAD_ID) & (found.ids != own)
    totals[is_banned] = -np.inf
    totals = totals.ravel()
    sentences = rows.sentences.repeat(width)
    # A stable sort: of equal ones the first row's first comes first.
    order = np.lexsort((-totals, sentences))
    # Sorted by sentence before and after, so the places of a sentence are the same.
    ranks = np.arange(len(order)) - sentences.searchsorted(sentences)
    totals = totals[order]
    num_places = num_open[sentences]
    num_shown = _num_shown(num_places, with_dropped)
    is_shown = (ranks < num_shown) & (totals > -np.inf)
    order = order[is_shown]
    return Choice(
        sentences[is_shown],
        order // width,
        found.ids.ravel()[order],
        totals[is_shown],
        is_kept=(ranks < num_places)[is_shown],
        is_over=np.zeros(len(order), bool),
    )


def _num_shown(num_places, with_dropped: bool):
    """How many beginnings are chosen for some open places, with those to be dropped."""
    return 2 * num_places + 2 if with_dropped else num_places


def _collect(
    ends: list[_Ends],
    history: list[_Past],
    batch_size: int,
    beam_size: int,
    length_penalty: float,
) -> HypothesisArrays:
    """Sorts the complete hypotheses by score, and follows each back to its start."""
    source_length = history[0].attention_weights.shape[1] if history else 0
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
    """Writes what belongs to each token, from the last to the first."""
    sentences, ranks = place
    parents, ids = end.parents.copy(), end.last_ids.copy()
    log_probs = end.log_probs.copy()  # of all tokens up to the one that is written
    for position in reversed(range(len(history))):
        past = history[position]
        [inside] = (position < end.lengths).nonzero()
        own = sentences[inside], ranks[inside], position
        own_parents = parents[inside]
        log_probs_before = past.log_probs[own_parents]
        found.ids[own] = ids[inside]
        found.token_log_probs[own] = log_probs[inside] - log_probs_before
        found.attention_weights[own] = past.attention_weights[own_parents]
        # The token before it, and the row that this one was added to.
        ids[inside] = past.rows.ids[own_parents]
        parents[inside] = past.rows.parents[own_parents]
        log_probs[inside] = log_probs_before


def _empty(batch_size, beam_size, length, source_length) -> HypothesisArrays:
    """Hypotheses that are none."""
    shape = batch_size, beam_size
    return HypothesisArrays(
        ids=np.full((*shape, length), PAD_ID, np.int32),
        lengths=np.zeros(shape, np.int32),
        log_probs=np.full(shape, -np.inf, np.float32),
        scores=np.full(shape, -np.inf, np.float32),
        is_finished=np.zeros(shape, bool),
        token_log_probs=np.zeros((*shape, length), np.float32),
        attention_weights=np.zeros((*shape, length, source_length), np.float32),
    )
