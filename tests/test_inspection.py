"""Looking inside tells what really happened: the tree, the alternatives, the gates."""

import sys
from pathlib import Path

import numpy as np
import pytest
from copy_network import CopyTranslator

from translator.config import SearchConfig
from translator.errors import UserError
from translator.inference import Translator
from translator.inspection import alternatives, read_gates, search_tree
from translator.layers import decoder
from translator.light.runtime import OnnxTranslator
from translator.loading import load_translator
from translator.placeholders import NUMBERS, PLACEHOLDERS
from translator.tokenizer import BOS_ID

SHIPPED = Path(__file__).parents[1] / "data" / "models" / "en-es"
SENTENCE = "The red house is near the river."
BEAM = SearchConfig(beam_size=3)


@pytest.fixture(scope="module", params=["tensorflow", "onnx"])
def engine(request, translator, onnx_dir):
    """A translator of either engine."""
    return (
        translator if request.param == "tensorflow" else OnnxTranslator.load(onnx_dir)
    )


def path_to(nodes, place):
    """The nodes from the first token to one of them."""
    path = []
    while place is not None:
        path.append(nodes[place])
        place = nodes[place].parent
    return path[::-1]


def test_the_tree_holds_the_hypotheses(engine):
    """Catches: a parent of another row, a score without its penalty, ranks that are not
    those of the search, a tree of another search than the translation's."""
    [result] = engine.translate_sentences([SENTENCE], BEAM, 3)
    nodes = search_tree(engine, SENTENCE, BEAM)
    ranks = {
        node.rank: place for place, node in enumerate(nodes) if node.rank is not None
    }
    assert sorted(ranks) == [0, 1, 2]
    for rank, hypothesis in enumerate(result.hypotheses):
        path = path_to(nodes, ranks[rank])
        assert [node.token for node in path] == hypothesis.tokens
        assert [node.position for node in path] == list(range(len(path)))
        assert {node.fate for node in path[:-1]} <= {"kept"}
        assert path[-1].score == pytest.approx(hypothesis.score, abs=1e-4)
        sums = np.cumsum(hypothesis.token_log_probs)
        np.testing.assert_allclose([n.log_prob for n in path], sums, atol=1e-3)
    dropped = [node for node in nodes if node.fate == "dropped"]
    assert dropped
    for node in dropped:
        rivals = [n for n in nodes if n.position == node.position and n.fate == "kept"]
        assert all(node.log_prob <= rival.log_prob for rival in rivals)
    parents = {node.parent for node in nodes}
    assert not any(nodes[p].fate != "kept" for p in parents if p is not None)


def test_a_blank_sentence_has_nothing_inside(engine, translator):
    assert search_tree(engine, " ") == []
    assert alternatives(engine, "", "") == []
    assert read_gates(translator, " ", ["</s>"]) == []


def test_what_cannot_be_looked_at(translator, onnx_dir):
    """Catches: an error of `range`, or of an attribute that is not there."""
    with pytest.raises(ValueError, match="count must be at least 1. Received: 0"):
        alternatives(translator, SENTENCE, "", count=0)
    with pytest.raises(ValueError, match="gates of .* cannot be read. Use the run"):
        read_gates(OnnxTranslator.load(onnx_dir), SENTENCE, ["</s>"])


def test_alternatives_are_different_words_behind_the_same_beginning(engine):
    """Catches: a beginning that is lost, one word twice, the end listed as a word."""
    found = alternatives(engine, SENTENCE, "", count=4, search=BEAM)
    words = [alternative.word for alternative in found]
    assert len(set(words)) == len(words) > 1
    assert all(word.strip() == word and word for word in words)
    log_probs = [alternative.log_prob for alternative in found]
    assert log_probs == sorted(log_probs, reverse=True)
    for alternative in found:
        assert alternative.hypothesis.text.startswith(alternative.word)
        again = alternatives(engine, SENTENCE, alternative.word + " ", 2, BEAM)
        for deeper in again:
            assert deeper.hypothesis.text.startswith(alternative.word)


def test_a_trained_model_knows_other_words():
    """Catches: subwords for words, words that continue the one before, a beginning that
    is not the one that was given."""
    shipped = Translator.load(SHIPPED)
    sentence = "I have never seen such a beautiful garden."
    found = alternatives(shipped, sentence, "Nunca he visto ", count=3)
    assert len(found) == 3
    vocabulary = set(shipped.tokenizer.tokens(range(shipped.tokenizer.vocabulary_size)))
    for alternative in found:
        assert f"▁{alternative.word}" in vocabulary
        beginning = f"Nunca he visto {alternative.word} "
        assert alternative.hypothesis.text.startswith(beginning)


def test_alternatives_of_capitals_are_capitals(engine):
    """Catches: a beginning in capitals that the model never saw."""
    found = alternatives(engine, "THE RED HOUSE IS NEAR THE RIVER.", "", 2, BEAM)
    for alternative in found:
        assert alternative.word == alternative.word.upper()
        assert alternative.hypothesis.text == alternative.hypothesis.text.upper()


def test_a_translation_begins_as_it_is_told(engine):
    """Catches: a prefix of another sentence, one that is lost, a free sentence that is
    changed by the prefix of its neighbour."""
    sentences = [SENTENCE, "Nobody sings.", "Where?"]
    [plain] = engine.translate_sentences(["Nobody sings."], BEAM, 2)
    found = engine.translate_sentences(
        sentences, BEAM, 2, prefixes=["The river", "", "Red"]
    )
    assert all(h.text.startswith("The river") for h in found[0].hypotheses)
    assert all(h.text.startswith("Red") for h in found[2].hypotheses)
    ours = [h.text for h in found[1].hypotheses]
    assert ours == [h.text for h in plain.hypotheses]
    with pytest.raises(UserError, match="one prefix for each of the 3 sentences"):
        engine.translate_sentences(sentences, BEAM, prefixes=["one"])


def test_a_prefix_may_be_longer_than_a_translation(engine):
    """Catches: a bound on the length that cuts the prefix, or an endless search."""
    prefix = "red house " * 30
    [found] = engine.translate_sentences(["No."], BEAM, prefixes=[prefix])
    assert found.hypotheses[0].text.startswith(prefix.strip())


NETWORKS = pytest.mark.parametrize(
    "options",
    [
        {},
        {"wiring": "classic", "num_decoder_layers": 1, "num_encoder_layers": 1},
        {"reset_after": False, "layer_normalization": True},
    ],
    ids=["parallel", "classic", "normalized"],
)


@NETWORKS
@pytest.mark.parametrize("load", [Translator.load, load_translator])
def test_gates_are_those_of_the_translation(make_run, options, load):
    """Catches: states that are not the network's, tokens in the wrong order, a layer
    that reads another's input."""
    translator = load(make_run(**options))
    config = translator.config.model
    [result] = translator.translate_sentences([SENTENCE])
    tokens = result.hypotheses[0].tokens
    traces = read_gates(translator, SENTENCE, tokens)
    num_encoder = 2 * config.num_encoder_layers
    assert len(traces) == num_encoder + config.num_decoder_layers
    for trace in traces:
        z, r, c, before, h = trace[2:]
        assert z.shape == r.shape == c.shape == before.shape == h.shape
        assert len(z) == len(trace.tokens)
        np.testing.assert_allclose(h, z * before + (1 - z) * c, atol=1e-5)
        np.testing.assert_array_equal(before[1:], h[:-1])
    forward, backward = traces[num_encoder - 2 : num_encoder]
    assert forward.tokens == backward.tokens[::-1] == result.source_tokens
    assert traces[-1].tokens[1:] == tokens[:-1]
    assert traces[-1].tokens[0] == translator.tokenizer.tokens([BOS_ID])[0]


@NETWORKS
def test_gates_are_those_of_the_layers(make_run, options, monkeypatch):
    """Catches: gates that change places; graphs whose cells are not those of Keras."""
    translator = Translator.load(make_run(**options))
    model, tokenizer = translator.model, translator.tokenizer
    [result] = translator.translate_sentences([SENTENCE])
    tokens = result.hypotheses[0].tokens
    seen = {}

    def note(cell, inputs, state):
        gates, new_state = cell.gates(inputs, state), cell(inputs, [state])[0]
        seen.setdefault(id(cell), []).append((*gates, state, new_state))
        return new_state

    source_ids = np.array([tokenizer.ids(result.source_tokens)], np.int32)
    mask = np.ones_like(source_ids, bool)
    outputs = model.source_embedding(source_ids)
    for index, layer in enumerate(model.encoder.gru_layers):
        for gru, order in ((layer.forward_layer, 1), (layer.backward_layer, -1)):
            [state] = gru.cell.get_initial_state(batch_size=1)
            for position in range(source_ids.shape[1])[::order]:
                state = note(gru.cell, outputs[:, position], state)
        outputs = model.encoder.run_layer(index, outputs, mask).outputs
    monkeypatch.setattr(decoder, "run_cell", lambda *args: note(*args[:3]))
    memory, state = model.encode(source_ids, mask)
    for token_id in [BOS_ID, *tokenizer.ids(tokens)[:-1]]:
        embedded = model.target_embedding(np.array([token_id], np.int32))
        state = model.decoder.step(embedded, state, memory).state
    traces = read_gates(translator, SENTENCE, tokens)
    for trace, steps in zip(traces, seen.values(), strict=True):
        for found, *expected in zip(trace[2:], *steps, strict=True):
            np.testing.assert_allclose(found, np.concatenate(expected), atol=1e-4)


def test_gates_need_no_tensorflow(make_run, monkeypatch):
    """Catches: seconds of import in a server at the first look, or an error in a
    container without it."""
    translator = load_translator(make_run())
    [result] = translator.translate_sentences([SENTENCE])
    for name in "tensorflow", "keras":
        monkeypatch.setitem(sys.modules, name, None)
    traces = read_gates(translator, SENTENCE, result.hypotheses[0].tokens)
    assert traces[0].tokens == result.source_tokens


@pytest.mark.parametrize(
    ("sentence", "prefix", "word"),
    [
        ("See www.example.com in 345 days.", "See ", "www.example.com"),
        ("See www.example.com in 345 days.", "See www.example.com ", "in"),
        ("See www.example.com in 345 days.", "See www.example.com in ", "345"),
        ("SEE www.example.com IN THE HOUSE.", "SEE www.example.com ", "IN"),
        ("See the **red house**.", "See the **", "red"),
    ],
)
def test_alternatives_behind_what_is_copied(sentence, prefix, word):
    """Catches: a placeholder shown, or none in the beginning; a copy that is lost."""
    [first, *_] = alternatives(CopyTranslator(), sentence, prefix, 1, BEAM)
    assert first.word == word
    assert first.hypothesis.text == sentence


def test_what_is_only_copied_has_no_gates(make_run):
    """Catches: gates of a sentence that no network read."""
    translator = Translator.load(make_run(placeholders=0.5))
    for text in "www.example.com", "1234567":
        [found] = translator.translate_sentences([text])
        assert found.hypotheses[0].text == text
        assert read_gates(translator, text, found.hypotheses[0].tokens) == []


def test_what_is_only_copied_has_nothing_inside():
    translator = CopyTranslator()
    [found] = translator.translate_sentences(["www.example.com"])
    for options in {}, {"is_protected": found.is_protected}:
        assert search_tree(translator, "www.example.com", **options) == []
        assert alternatives(translator, "www.example.com", "", **options) == []
    tokens = {node.token for node in search_tree(translator, "On a_b.", BEAM)}
    assert PLACEHOLDERS[0] in tokens


def test_looking_inside_what_had_to_be_translated_again():
    """Catches: the search of the attempt that was thrown away, in place of the one that
    the user's translation comes from."""
    translator, sentence = CopyTranslator(loses=NUMBERS[0]), "We ate 1234 pears."
    [found] = translator.translate_sentences([sentence], BEAM)
    assert not found.is_protected
    assert found.hypotheses[0].text == sentence
    tree = search_tree(translator, sentence, BEAM, found.is_protected)
    [best] = [node for node in tree if node.rank == 0]
    assert best.score == pytest.approx(found.hypotheses[0].score)
    [other] = alternatives(
        translator, sentence, "We ate ", 1, BEAM, is_protected=found.is_protected
    )
    assert other.hypothesis.text == sentence
    [kept] = CopyTranslator().translate_sentences([sentence], BEAM)
    assert kept.is_protected
