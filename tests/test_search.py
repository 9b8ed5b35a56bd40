"""Greedy and beam search, over step functions whose best translations are known.

The random model of these tests is a table: a distribution for each sentence and each
beginning, so a path through it can be scored, and all of them listed, in NumPy.
"""

from itertools import product

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework import kernels

from translator.search import StepResult, _top_k, beam_search
from translator.tokenizer import BOS_ID, EOS_ID, PAD_ID, UNK_ID

WORD_ID = 4  # The first of the words: UNK and these may be chosen, besides EOS.


class TableModel:
    """Distributions and attention weights for each beginning of each sentence.

    Beginnings are nodes of a tree: 0 is the empty one, and the beginning of node `n`
    with `id` added is node `n * V + id + 1`.

    Args:
        probs: Shape `(batch_size, num_nodes, vocabulary_size)`.
        weights: Shape `(batch_size, num_nodes, source_length)`.
    """

    def __init__(self, probs, weights):
        self.log_probs = np.log(np.asarray(probs))
        self.weights = np.asarray(weights)
        self.vocabulary_size = self.log_probs.shape[-1]

    @classmethod
    def random(cls, seed, batch_size=2, vocabulary_size=6, max_length=4):
        rng = np.random.default_rng(seed)
        num_nodes = sum(vocabulary_size**depth for depth in range(max_length))
        return cls(
            rng.dirichlet(np.ones(vocabulary_size), (batch_size, num_nodes)),
            rng.dirichlet(np.ones(3), (batch_size, num_nodes)),
        )

    @classmethod
    def of_beginnings(cls, table, max_length):
        """Makes a batch of one from beginning -> {id: probability}.

        What is left of a distribution is PAD's, which is never chosen.
        """
        vocabulary_size = WORD_ID + 1
        model = cls.random(0, 1, vocabulary_size, max_length)
        for beginning, distribution in table.items():
            node = model.nodes([*beginning, EOS_ID])[-1]
            probs = np.full(vocabulary_size, 1e-9)
            probs[list(distribution)] = list(distribution.values())
            probs[PAD_ID] = max(1 - probs.sum(), 1e-9)
            model.log_probs[0, node] = np.log(probs)
        return model

    def state(self):
        batch_size = len(self.log_probs)
        # The sentence is in both, so that a step can see whether they belong together.
        return {
            "sentence": tf.range(batch_size)[:, None],  # (B, 1)
            "rest": (tf.zeros([batch_size], tf.int32),),  # the node
        }

    def memory(self):
        return (tf.range(len(self.log_probs)),)

    def step(self, ids, state, memory):
        num_places = tf.size(ids) // tf.maximum(tf.size(memory[0]), 1)
        sentence = tf.repeat(memory[0], num_places)
        tf.debugging.assert_equal(state["sentence"][:, 0], sentence)
        node = state["rest"][0] * self.vocabulary_size + ids + 1
        node = tf.where(ids == BOS_ID, 0, node)
        places = tf.concat([state["sentence"], node[:, None]], axis=1)
        # Logits are log-probabilities up to a constant, here another for each row.
        shift = tf.cast(node[:, None] % 7, tf.float32)
        logits = tf.gather_nd(tf.constant(self.log_probs, tf.float32), places) + shift
        weights = tf.gather_nd(tf.constant(self.weights, tf.float32), places)
        return StepResult(logits, state | {"rest": (node,)}, weights)

    def nodes(self, ids):
        """Returns the node that each of the ids was chosen at."""
        nodes = [0]
        for token_id in ids[:-1]:
            nodes.append(nodes[-1] * self.vocabulary_size + token_id + 1)
        return nodes

    def score_ids(self, sentence, ids):
        """Returns the log-probability of the ids."""
        return self.log_probs[sentence, self.nodes(ids), ids].sum()

    def search(self, max_lengths, beam_size, length_penalty=1.0):
        max_lengths = tf.constant(max_lengths)
        found = beam_search(
            self.step,
            self.state(),
            self.memory(),
            max_lengths,
            beam_size,
            length_penalty,
        )
        return type(found)(*(part.numpy() for part in found))

    def all_hypotheses(self, sentence, max_length):
        """Lists all there are: those that end in EOS, and those that are cut off."""
        words = [UNK_ID, *range(WORD_ID, self.vocabulary_size)]
        cut_off = [list(ids) for ids in product(words, repeat=max_length)]
        finished = [
            [*ids, EOS_ID]
            for length in range(max_length)
            for ids in product(words, repeat=length)
        ]
        return sorted(
            cut_off + finished,
            key=lambda ids: self.score_ids(sentence, ids) / len(ids),
            reverse=True,
        )


def ids_of(found, sentence=0):
    """Returns the hypotheses of a sentence as lists of ids, without padding."""
    return [
        ids[:length].tolist()
        for ids, length in zip(
            found.ids[sentence], found.lengths[sentence], strict=True
        )
    ]


@pytest.mark.parametrize("seed", range(5))
def test_beam_of_one_is_greedy(seed):
    """Catches: the second best token, a start that is not BOS."""
    model = TableModel.random(seed)
    found = model.search([4, 4], beam_size=1)
    for sentence in range(2):
        expected, node = [], 0
        while len(expected) < 4 and EOS_ID not in expected:
            allowed = model.log_probs[sentence, node].copy()
            allowed[[PAD_ID, BOS_ID]] = -np.inf
            expected.append(int(allowed.argmax()))
            node = node * model.vocabulary_size + expected[-1] + 1
        assert ids_of(found, sentence) == [expected]


def test_beam_of_two_escapes_a_trap():
    """Catches: greedy search in disguise, as when all rows of a beam are the same."""
    model = TableModel.of_beginnings(
        {
            (): {UNK_ID: 0.6, WORD_ID: 0.4},
            (UNK_ID,): {EOS_ID: 0.4, UNK_ID: 0.3, WORD_ID: 0.3},
            (WORD_ID,): {EOS_ID: 0.9, UNK_ID: 0.1},
        },
        max_length=3,
    )
    greedy, beam = (model.search([3], size) for size in (1, 2))
    assert ids_of(greedy) == [[UNK_ID, EOS_ID]]  # 0.6 * 0.4 = 0.24
    assert ids_of(beam)[0] == [WORD_ID, EOS_ID]  # 0.4 * 0.9 = 0.36
    np.testing.assert_allclose(np.exp(beam.log_probs), [[0.36, 0.24]], rtol=1e-5)


@pytest.mark.parametrize("beam_size", [15, 125])
@pytest.mark.parametrize("seed", range(3))
def test_a_large_beam_finds_all_hypotheses(seed, beam_size):
    """Catches: a path lost, found twice, or ranked by probability, not by score.

    With two words, UNK and one more, 3 tokens: 1 + 2 + 4 end in EOS, 8 are cut off.
    """
    model = TableModel.random(seed, vocabulary_size=5, max_length=3)
    found = model.search([3, 3], beam_size)
    for sentence in range(2):
        expected = model.all_hypotheses(sentence, max_length=3)
        assert len(expected) == 15
        assert ids_of(found, sentence) == expected + [[]] * (beam_size - 15)
        assert (found.log_probs[sentence, 15:] == -np.inf).all()
        assert not found.is_finished[sentence, 15:].any()


@pytest.mark.parametrize("beam_size", [1, 2, 3, 5])
@pytest.mark.parametrize("seed", range(5))
def test_scores_are_those_of_the_ids(seed, beam_size):
    """Catches: finished hypotheses that go on to add up, a state of another row."""
    model = TableModel.random(seed)
    found = model.search([4, 3], beam_size, length_penalty=0.7)
    for sentence in range(2):
        for rank, ids in enumerate(ids_of(found, sentence)):
            log_prob = model.score_ids(sentence, ids)
            assert found.log_probs[sentence, rank] == pytest.approx(log_prob, abs=1e-5)
            score = log_prob / len(ids) ** 0.7
            assert found.scores[sentence, rank] == pytest.approx(score, abs=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_hypotheses_are_sorted_and_unique(seed):
    """Catches: an order of completion, a hypothesis twice in the n-best list."""
    found = TableModel.random(seed).search([4, 4], beam_size=5)
    assert (np.diff(found.scores) <= 0).all()
    for sentence in range(2):
        hypotheses = ids_of(found, sentence)
        assert len(set(map(tuple, hypotheses))) == len(hypotheses) == 5


@pytest.mark.parametrize("seed", range(3))
def test_a_hypothesis_ends_with_its_first_eos(seed):
    """Catches: ids behind EOS, an end that is not marked as finished."""
    found = TableModel.random(seed).search([4, 4], beam_size=5)
    places = np.arange(found.ids.shape[-1])
    is_inside = places < found.lengths[..., None]
    is_last = places == found.lengths[..., None] - 1
    assert (found.ids[~is_inside] == PAD_ID).all()
    assert (found.ids[is_inside & ~is_last] != EOS_ID).all()
    last_ids = found.ids[is_last].reshape(found.lengths.shape)
    np.testing.assert_array_equal(last_ids == EOS_ID, found.is_finished)


def test_a_finished_hypothesis_leaves_the_beam():
    """Catches: a place of the beam that stays taken, or one that is filled again.

    The empty translation ends at once. Of the two places one is left: it goes on with
    the better word alone, though the other ones would have won in the end.
    """
    model = TableModel.of_beginnings(
        {
            (): {EOS_ID: 0.5, UNK_ID: 0.3, WORD_ID: 0.2},
            (UNK_ID,): {UNK_ID: 0.6, WORD_ID: 0.4},
            (UNK_ID, UNK_ID): {EOS_ID: 0.2},
            (UNK_ID, WORD_ID): {EOS_ID: 1.0},
            (WORD_ID,): {EOS_ID: 1.0},
        },
        max_length=3,
    )
    found = model.search([3], beam_size=2, length_penalty=0.0)
    assert ids_of(found) == [[EOS_ID], [UNK_ID, UNK_ID, EOS_ID]]
    # 0.3 * 0.6 * 0.2; 0.3 * 0.4 * 1.0 by UNK and the word, 0.2 * 1.0 by the word.
    np.testing.assert_allclose(np.exp(found.log_probs), [[0.5, 0.036]], rtol=1e-5)


def test_the_search_ends_when_all_are_finished():
    """Catches: a search that always runs to the longest length."""
    model = TableModel.of_beginnings(
        {(): {EOS_ID: 0.9, WORD_ID: 0.1}, (WORD_ID,): {EOS_ID: 1.0}}, max_length=2
    )
    found = model.search([1_000_000], beam_size=2)
    assert found.ids.shape == (1, 2, 2)


@pytest.mark.parametrize("beam_size", [1, 4])
def test_a_batch_of_two_is_two_batches_of_one(beam_size):
    """Catches: rows of one sentence that compete with those of another."""
    model = TableModel.random(6)
    both = model.search([4, 2], beam_size)
    for sentence, max_length in enumerate([4, 2]):
        part = slice(sentence, sentence + 1)
        alone = TableModel(np.exp(model.log_probs[part]), model.weights[part])
        found = alone.search([max_length], beam_size)
        assert ids_of(found) == ids_of(both, sentence)
        np.testing.assert_allclose(found.scores, both.scores[part], atol=1e-5)
        width = found.ids.shape[-1]
        np.testing.assert_allclose(
            found.attention_weights, both.attention_weights[part, :, :width], atol=1e-6
        )


@pytest.mark.parametrize(
    ("length_penalty", "winner"),
    [(0.0, [EOS_ID]), (1.0, [WORD_ID, WORD_ID, EOS_ID])],
    ids=["probability", "mean"],
)
def test_the_penalty_of_length_chooses(length_penalty, winner):
    """Catches: a penalty that divides all by the same length, or by nothing.

    log 0.30 = -1.20 for one token; log 0.24 = -1.43 for three, -0.48 a token.
    """
    model = TableModel.of_beginnings(
        {
            (): {EOS_ID: 0.3, WORD_ID: 0.6},
            (WORD_ID,): {WORD_ID: 0.8},
            (WORD_ID, WORD_ID): {EOS_ID: 0.5},
        },
        max_length=3,
    )
    found = model.search([3], beam_size=2, length_penalty=length_penalty)
    assert ids_of(found)[0] == winner
    assert len(ids_of(found)[1]) == 4 - len(winner)


def test_each_sentence_has_its_longest_length():
    """Catches: one limit for the batch; a cut-off end that passes for finished."""
    probs = np.full((3, 10_000, WORD_ID + 2), 1e-9)
    probs[:, :, WORD_ID] = 1.0
    model = TableModel(probs, np.ones((3, 10_000, 1)))
    found = model.search([1, 4, 2], beam_size=1)
    assert found.lengths[:, 0].tolist() == [1, 4, 2]
    assert [ids_of(found, i) for i in range(3)] == [
        [[WORD_ID] * length] for length in (1, 4, 2)
    ]
    assert not found.is_finished.any()


@pytest.mark.parametrize("beam_size", [1, 3, 5])
def test_attention_belongs_to_the_beginning_it_was_computed_for(beam_size):
    """Catches: weights of the row that a hypothesis moved to, not came from."""
    model = TableModel.random(7)
    found = model.search([4, 3], beam_size)
    for sentence in range(2):
        for rank, ids in enumerate(ids_of(found, sentence)):
            weights = found.attention_weights[sentence, rank]
            expected = model.weights[sentence, model.nodes(ids)]
            np.testing.assert_allclose(weights[: len(ids)], expected, atol=1e-6)
            assert (weights[len(ids) :] == 0).all()


def test_pad_and_bos_are_never_chosen():
    """Catches: the likeliest token taken though it is none; the rest made likelier."""
    rng = np.random.default_rng(8)
    probs = rng.dirichlet([50, 1, 50, 1, 1, 1], (1, 259))
    model = TableModel(probs, np.ones((1, 259, 1)))
    found = model.search([4], beam_size=3)
    for rank, ids in enumerate(ids_of(found)):
        assert not {PAD_ID, BOS_ID} & set(ids)
        log_prob = model.score_ids(0, ids)
        assert found.log_probs[0, rank] == pytest.approx(log_prob, abs=1e-4)


@pytest.mark.parametrize("k", [1, 5, 40])
@pytest.mark.parametrize("vocabulary_size", [40, 64, 1000])
def test_top_k_is_that_of_tensorflow(vocabulary_size, k):
    """Catches: a block too few, an id of the padded block, a lost offset."""
    rng = np.random.default_rng(12)
    logits = rng.normal(size=(3, vocabulary_size)).astype(np.float32)
    logits[1].sort()  # The best are neighbours.
    expected = tf.math.top_k(logits, k)
    for ours, theirs in zip(_top_k(tf.constant(logits), k), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_top_k_of_nothing_but_the_impossible_gives_ids():
    """Catches: an id behind the vocabulary, which an embedding refuses."""
    logits = tf.constant([[-np.inf] * 35 + [0.0] * 5], tf.float32)
    best, ids = _top_k(logits, 40)
    assert (best == logits[0, 0]).numpy().sum() == 35
    assert 0 <= ids.numpy().min() <= ids.numpy().max() < 40


def test_a_beam_without_a_place_is_refused():
    """Catches: an error of TensorFlow's in place of ours."""
    model = TableModel.random(13)
    with pytest.raises(ValueError, match="at least 1. Received: beam_size=0"):
        model.search([4, 4], beam_size=0)


def test_one_trace_for_all_shapes():
    """Catches: a graph for each batch size, source length or longest length."""
    num_traces = 0

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None, 6], tf.float32),
            tf.TensorSpec([None], tf.int32),
        ]
    )
    def search(features, max_lengths):  # (B, S, V)
        nonlocal num_traces
        num_traces += 1

        def step(ids, state, memory):
            logits = tf.reduce_sum(state, axis=1) + tf.one_hot(ids, 6)
            return StepResult(logits, state, tf.nn.softmax(state[:, :, 0]))

        return beam_search(step, features, (), max_lengths, beam_size=3)

    rng = np.random.default_rng(9)
    for batch_size, source_length, max_length in [(1, 1, 2), (3, 5, 4), (2, 2, 7)]:
        features = rng.normal(size=(batch_size, source_length, 6)).astype(np.float32)
        found = search(features, np.full(batch_size, max_length, np.int32))
        assert found.ids.shape[:2] == (batch_size, 3)
        assert found.ids.shape[2] <= max_length
        assert found.attention_weights.shape == (*found.ids.shape, source_length)
    assert num_traces == 1


def test_graph_and_eager_agree():
    """Catches: Python control flow that a graph freezes."""
    model = TableModel.random(10)
    search = tf.function(
        lambda max_lengths: beam_search(
            model.step, model.state(), model.memory(), max_lengths, 3
        )
    )
    eager, graph = model.search([4, 2], 3), search(tf.constant([4, 2]))
    for ours, theirs in zip(eager, graph, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_every_operation_has_a_gpu_kernel():
    """Catches: an operation for the CPU alone, such as those of `tf.sets`."""
    model = TableModel.random(10)
    search = tf.function(
        lambda max_lengths: beam_search(
            model.step, model.state(), model.memory(), max_lengths, 3
        )
    )
    spec = tf.TensorSpec([None], tf.int32)
    graph = search.get_concrete_function(spec).graph.as_graph_def()
    bodies = [function.node_def for function in graph.library.function]
    operations = {node.op for nodes in (graph.node, *bodies) for node in nodes}
    assert {
        "TopKV2",
        "TensorListStack",
        "StatelessIf",
    } <= operations  # also those of the loops
    for operation in operations:
        registered = kernels.get_registered_kernels_for_op(operation).kernel
        devices = {kernel.device_type for kernel in registered}
        assert devices & {"GPU", "DEFAULT"}, operation


def test_an_empty_batch():
    """Catches: a reshape that cannot infer the size of nothing."""
    model = TableModel.random(11, batch_size=0)
    found = model.search(np.zeros(0, np.int32), beam_size=3)
    assert found.ids.shape[:2] == found.scores.shape == (0, 3)


def test_a_step_costs_what_is_left():
    """Catches: rows of hypotheses that are complete, or sentences that are done, which
    are still computed; a batch that starts with copies of one beginning.
    """
    model, sizes = TableModel.random(12, batch_size=4, max_length=6), []

    def step(ids, state, memory):
        sizes.append((ids.shape[0], memory[0].shape[0]))
        return model.step(ids, state, memory)

    max_lengths = tf.constant([1, 2, 2, 6])
    found = beam_search(step, model.state(), model.memory(), max_lengths, beam_size=3)
    num_rows, num_sentences = zip(*sizes, strict=True)
    assert num_rows[0] == 4  # one beginning of each sentence
    assert num_sentences[0] == 4 and num_sentences[1] <= 3 and num_sentences[2] == 1
    growing = [
        int(np.sum(np.asarray(found.lengths)[-1] > position))
        for position in range(2, len(sizes))
    ]
    assert list(num_rows[2:]) == growing
