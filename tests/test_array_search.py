"""The search in NumPy finds what the search in the graph finds, with less work."""

import numpy as np
import pytest
import tensorflow as tf
from test_search import WORD_ID, TableModel

from translator import search
from translator.array_search import Continuations, beam_search
from translator.tokenizer import BOS_ID, EOS_ID, PAD_ID, UNK_ID


class LightTable:
    """A `TableModel` as a step function of the light search.

    Attributes:
        ids: The last tokens of the rows of each step.
    """

    def __init__(self, table):
        self.table = table
        self.ids = []

    def step(self, rows, nodes, num_best):
        self.ids.append(rows.ids.tolist())
        nodes = nodes[rows.parents] * self.table.vocabulary_size + rows.ids + 1
        nodes = np.where(rows.ids == BOS_ID, 0, nodes)
        log_probs = self.table.log_probs[rows.sentences, nodes].astype(np.float32)
        ids = np.argsort(-log_probs, axis=1, kind="stable")[:, :num_best]
        weights = self.table.weights[rows.sentences, nodes].astype(np.float32)
        best = np.take_along_axis(log_probs, ids, axis=1)
        return Continuations(best, ids, weights, nodes)

    def search(self, max_lengths, beam_size, length_penalty=1.0, **kwargs):
        nodes = np.zeros(len(max_lengths), np.int64)
        max_lengths = np.array(max_lengths, np.int64)
        return beam_search(
            self.step, nodes, max_lengths, beam_size, length_penalty, **kwargs
        )


def graph_search(table, max_lengths, beam_size, length_penalty):
    """`search.beam_search` of any lengths in one trace for each size of the beam."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32)])
    def run(max_lengths):
        state, memory = table.state(), table.memory()
        return search.beam_search(
            table.step, state, memory, max_lengths, beam_size, length_penalty
        )

    found = run(tf.constant(max_lengths))
    return type(found)(*(part.numpy() for part in found))


@pytest.mark.parametrize("beam_size", [1, 2, 3, 5, 40])
@pytest.mark.parametrize("seed", range(8))
def test_it_finds_what_the_graph_finds(seed, beam_size):
    """Catches: a beam that does not narrow, an order of its own, a score or weights of
    another hypothesis, a row that continues another, a limit of another sentence."""
    rng = np.random.default_rng(seed)
    table = TableModel.random(seed, batch_size=3, max_length=5)
    # In half of the tables ends are rare: the longest length is reached.
    if seed % 2:
        table.log_probs[..., EOS_ID] -= 4
        table.log_probs -= np.logaddexp.reduce(table.log_probs, -1, keepdims=True)
    max_lengths = rng.integers(1, 6, 3).tolist()
    length_penalty = float(rng.choice([0.0, 0.7, 1.2]))
    ours = LightTable(table).search(max_lengths, beam_size, length_penalty)
    theirs = graph_search(table, max_lengths, beam_size, length_penalty)
    np.testing.assert_array_equal(ours.ids, theirs.ids)
    np.testing.assert_array_equal(ours.lengths, theirs.lengths)
    np.testing.assert_array_equal(ours.is_finished, theirs.is_finished)
    for name in ("log_probs", "scores", "token_log_probs", "attention_weights"):
        np.testing.assert_allclose(
            getattr(ours, name), getattr(theirs, name), atol=1e-5, err_msg=name
        )


def test_of_equal_probabilities_the_first_is_chosen():
    """Catches: a sort that is not stable: other translations where there is a tie.

    UNK, EOS and the word are all alike; EOS ends at once, the others keep their order.
    Of their two open places the first of them takes one for UNK, one for its end.
    """
    shape = (1, 259, WORD_ID + 1)
    light = LightTable(TableModel(np.full(shape, 0.2), np.ones((1, 259, 1))))
    light.search([4], beam_size=3)
    assert light.ids == [[BOS_ID], [UNK_ID, WORD_ID], [UNK_ID], [UNK_ID]]


def test_only_what_is_alive_is_stepped():
    """Catches: rows of a sentence that is done, or of complete hypotheses, that go on
    to cost time; a first step of equal rows."""
    probs = np.full((3, 10_000, WORD_ID + 1), 1e-9)
    probs[:, :, WORD_ID] = 1.0
    light = LightTable(TableModel(probs, np.ones((3, 10_000, 1))))
    light.search([1, 4, 2], beam_size=1)
    assert list(map(len, light.ids)) == [3, 2, 1, 1]

    words = {EOS_ID: 0.5, UNK_ID: 0.3, WORD_ID: 0.2}
    table = TableModel.of_beginnings(
        {(): words, (UNK_ID,): words, (WORD_ID,): words}, max_length=3
    )
    light = LightTable(table)
    light.search([3], beam_size=3)  # One ends at once, the two others go on.
    assert list(map(len, light.ids[:2])) == [1, 2]


def test_pad_and_bos_are_never_chosen():
    """Catches: the likeliest token taken though it is none; too few candidates asked
    for, so that a hypothesis is lost with them."""
    probs = np.random.default_rng(8).dirichlet([50, 1, 50, 1, 1, 1], (1, 259))
    found = LightTable(TableModel(probs, np.ones((1, 259, 1)))).search([4], 3)
    inside = np.arange(found.ids.shape[-1]) < found.lengths[..., None]
    assert (found.lengths > 0).all()
    assert not np.isin(found.ids[inside], [PAD_ID, BOS_ID]).any()


@pytest.mark.parametrize("seed", range(4))
def test_the_log_probs_of_tokens_are_those_of_the_model(seed):
    """Catches: a token with the probability of another, or of another hypothesis."""
    table = TableModel.random(seed, batch_size=2, max_length=4)
    found = LightTable(table).search([4, 3], beam_size=3)
    for sentence, rank in np.argwhere(found.lengths > 0):
        ids = found.ids[sentence, rank, : found.lengths[sentence, rank]]
        nodes = table.nodes(ids)
        expected = table.log_probs[sentence, nodes, ids]
        ours = found.token_log_probs[sentence, rank]
        np.testing.assert_allclose(ours[: len(ids)], expected, atol=1e-5)
        assert not ours[len(ids) :].any()


def test_hypotheses_begin_as_they_are_told():
    """Catches: a beginning that is lost when it is improbable, one of another sentence,
    a score that leaves its tokens out."""
    table = TableModel.random(5, batch_size=3, max_length=5)
    worst = int(np.argmin(table.log_probs[0, 0, UNK_ID:])) + UNK_ID
    prefixes = [[worst, WORD_ID], [], [WORD_ID]]
    found = LightTable(table).search([5, 5, 5], beam_size=3, prefixes=prefixes)
    free = LightTable(table).search([5, 5, 5], beam_size=3)
    assert (found.ids[0, :, :2] == prefixes[0]).all()
    assert (found.ids[2, :, :1] == prefixes[2]).all()
    for part, free_part in zip(found, free, strict=True):
        np.testing.assert_array_equal(part[1], free_part[1])
    sums = found.token_log_probs.sum(axis=-1)
    np.testing.assert_allclose(sums, found.log_probs, atol=1e-5)


def test_what_watches_sees_what_is_kept_and_what_is_dropped():
    """Catches: a watched search that finds something else; rows that cannot be told
    apart; a beginning both kept and dropped; fewer dropped ones than there were."""
    table = TableModel.random(6, batch_size=2, max_length=4)
    choices = []
    light = LightTable(table)
    found = light.search([4, 4], beam_size=2, watch=choices.append)
    unseen = LightTable(table).search([4, 4], beam_size=2)
    np.testing.assert_array_equal(found.ids, unseen.ids)
    assert len(choices) == len(light.ids)
    for choice, rows in zip(choices, [*light.ids[1:], []], strict=True):
        assert choice.ids[choice.is_kept & ~choice.is_over].tolist() == rows
        for sentence in set(choice.sentences):
            own = choice.sentences == sentence
            log_probs = choice.log_probs[own]
            assert (np.diff(log_probs) <= 0).all()
            assert not choice.is_kept[own][choice.is_kept[own].sum() :].any()
    num_tokens = table.vocabulary_size - 2  # PAD and BOS are no continuations
    assert len(choices[0].ids) == 2 * min(2 * 2 + 2, num_tokens)
    assert not choices[0].is_kept.all()
    assert sum(choice.is_over.sum() for choice in choices) == (found.lengths > 0).sum()


def test_an_empty_batch():
    table = TableModel.random(11, batch_size=0)
    found = LightTable(table).search([], beam_size=3)
    assert found.ids.shape[:2] == found.scores.shape == (0, 3)


def test_a_beam_without_a_place_is_refused():
    """Catches: a search that never ends, or an error of NumPy's."""
    with pytest.raises(ValueError, match="at least 1. Received: beam_size=0"):
        LightTable(TableModel.random(13)).search([4, 4], beam_size=0)
