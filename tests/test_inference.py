"""Texts in, translations out: the answer to one never depends on the others."""

import json
import pickle
import shutil

import numpy as np
import pytest

from translator.checkpoints import (
    BEST_NAME,
    CONFIG_NAME,
    TOKENIZER_NAME,
    load_arrays,
    save_arrays,
)
from translator.config import SearchConfig
from translator.errors import UserError
from translator.inference import Ensemble, Translator
from translator.light.runtime import OnnxTranslator
from translator.loading import load_translator
from translator.losses import smoothed_cross_entropy
from translator.text import split_sentences
from translator.tokenizer import BOS_ID, Tokenizer

SENTENCES = [
    "The red house is near the river.",
    "Nobody sings.",
    "We ate 12 oranges and 3 pears in the garden at night!",
    "Where?",
    "Nobody sings.",
]
BEAM = SearchConfig(beam_size=3)
GREEDY = SearchConfig(beam_size=1)


def error_of(call, *arguments, **options):
    """The one line that the user gets to see."""
    with pytest.raises(UserError) as caught:
        call(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def assert_same(ours, theirs):
    """Whether two translations of a sentence are the same, hypothesis by hypothesis."""
    assert ours.source_text == theirs.source_text
    assert ours.source_tokens == theirs.source_tokens
    assert len(ours.hypotheses) == len(theirs.hypotheses)
    for one, other in zip(ours.hypotheses, theirs.hypotheses, strict=True):
        assert (one.text, one.tokens) == (other.text, other.tokens)
        assert one.is_finished == other.is_finished
        assert one.score == pytest.approx(other.score, abs=1e-4)
        assert one.log_prob == pytest.approx(other.log_prob, abs=1e-4)
        np.testing.assert_allclose(
            one.attention_weights, other.attention_weights, atol=1e-4
        )


@pytest.mark.parametrize("search", [BEAM, GREEDY], ids=["beam", "greedy"])
def test_a_batch_equals_its_sentences(translator, search):
    """Catches: padding in the search, answers in the order of their lengths."""
    count = search.beam_size
    together = translator.translate_sentences(SENTENCES, search, count)
    assert [result.source_text for result in together] == SENTENCES
    assert len({result.hypotheses[0].text for result in together}) == 4
    for sentence, result in zip(SENTENCES, together, strict=True):
        [alone] = translator.translate_sentences([sentence], search, count)
        assert_same(result, alone)


def test_many_batches_equal_one(translator, monkeypatch):
    """Catches: a sentence lost, or in a wrong place, between two batches."""
    expected = translator.translate_sentences(SENTENCES, BEAM)
    for limit, value in [("max_rows", 7), ("max_tokens", 60)]:
        with monkeypatch.context() as patch:
            patch.setattr(translator, limit, value)
            found = translator.translate_sentences(SENTENCES, BEAM)
        for ours, theirs in zip(found, expected, strict=True):
            assert_same(ours, theirs)


def test_batches_are_bounded(translator, monkeypatch):
    """Catches: memory that grows with the number, or the length, of the sentences."""
    monkeypatch.setattr(translator, "max_rows", 12)
    monkeypatch.setattr(translator, "max_tokens", 100)
    rng = np.random.default_rng(1)
    rows = [[7] * length for length in rng.integers(1, 30, 100)]
    batches = list(translator._batches_by_length(rows, beam_size=2))
    indices = [index for batch in batches for index in batch]
    assert sorted(indices) == [i for i, row in enumerate(rows) if len(row) > 1]
    for batch in batches:
        lengths = [len(rows[index]) for index in batch]
        assert 2 * len(batch) <= 12
        assert 2 * len(batch) * max(lengths) <= 100 or len(batch) == 1


def test_hypotheses_are_sorted_and_consistent(translator):
    """Catches: a score that is not that of its hypothesis; weights of another row."""
    penalty = SearchConfig(beam_size=3, length_penalty=0.5)
    for result in translator.search_sentences(SENTENCES, penalty, 3):
        scores = [hypothesis.score for hypothesis in result.hypotheses]
        assert scores == sorted(scores, reverse=True)
        assert len({tuple(h.tokens) for h in result.hypotheses}) == 3
        for hypothesis in result.hypotheses:
            length = len(hypothesis.tokens)
            assert hypothesis.log_prob <= 0
            assert hypothesis.score == pytest.approx(hypothesis.log_prob / length**0.5)
            assert (hypothesis.tokens[-1] == "</s>") == hypothesis.is_finished
            weights = hypothesis.attention_weights
            assert weights.shape == (length, len(result.source_tokens))
            np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-5)


def test_log_prob_is_that_of_the_tokens(translator):
    """Catches: a score of other ids than those that are returned."""
    [result] = translator.translate_sentences(SENTENCES[:1], BEAM, 3)
    model, processor = translator.model, translator.tokenizer._processor
    source_ids = np.array([translator.tokenizer.encode(SENTENCES[0])])
    for hypothesis in result.hypotheses:
        ids = np.array([[processor.piece_to_id(t) for t in hypothesis.tokens]])
        inputs = np.hstack([[[BOS_ID]], ids[:, :-1]])
        output = model(source_ids, source_ids != 0, inputs)
        logits = model.to_logits(output.features)[0]
        nats, _ = smoothed_cross_entropy(logits, ids[0].astype(np.int32))
        assert hypothesis.log_prob == pytest.approx(-float(np.sum(nats)), abs=1e-3)
        np.testing.assert_allclose(
            hypothesis.attention_weights, output.attention_weights[0], atol=1e-4
        )


def test_fewer_hypotheses_are_the_best_ones(translator):
    """Catches: the first of the beam in place of the best."""
    [three] = translator.translate_sentences(SENTENCES[:1], BEAM, 3)
    [one] = translator.translate_sentences(SENTENCES[:1], BEAM)
    assert [h.text for h in one.hypotheses] == [three.hypotheses[0].text]


def test_the_length_is_bounded(translator):
    """Catches: a translation without an end; a bound of the longest in the batch."""
    search = SearchConfig(beam_size=1, max_length_factor=0.5, max_length_extra=2)
    for result in translator.translate_sentences(SENTENCES, search):
        bound = len(result.source_tokens) // 2 + 2
        [hypothesis] = result.hypotheses
        assert len(hypothesis.tokens) <= bound
        assert hypothesis.is_finished or len(hypothesis.tokens) == bound


@pytest.mark.parametrize("blank", ["", " ", "\n", "\u200b\u00a0", "\x00"])
def test_blank_text_stays_as_it_is(translator, blank):
    """Catches: words that the model makes up of nothing, a source of no tokens."""
    [translation] = translator.translate([blank])
    assert translation.text == translation.source_text == blank
    assert (translation.sentences, translation.score) == ([], 0.0)


def test_a_blank_sentence_among_others(translator):
    """Catches: a row of padding in the search, results that move up one place."""
    blank, other = translator.translate_sentences(["  ", SENTENCES[1]], BEAM, 2)
    assert (blank.source_text, blank.source_tokens) == ("  ", [])
    assert [(h.text, h.score, h.is_finished) for h in blank.hypotheses] == [
        ("", 0.0, True)
    ]
    assert len(other.hypotheses) == 2


def test_nothing_to_translate(translator):
    assert translator.translate([]) == []
    assert translator.translate_sentences([]) == []


def test_texts_keep_their_white_space(translator):
    """Catches: lines that are joined, spaces at the ends that are lost."""
    text = f"  {SENTENCES[0]}  {SENTENCES[1]}\n\n\t{SENTENCES[3]} \r\n"
    whole, second = translator.translate([text, SENTENCES[1]])
    parts = split_sentences(text)
    assert [sentence.source_text for sentence in whole.sentences] == parts.sentences
    texts = [sentence.hypotheses[0].text for sentence in whole.sentences]
    assert len(texts) == 3 and whole.text == parts.join(texts)
    assert whole.text.count("\n") == text.count("\n")
    assert whole.text.startswith("  ") and whole.text.endswith(" \r\n")
    assert second.text == texts[1]
    scores = [sentence.hypotheses[0].score for sentence in whole.sentences]
    assert whole.score == pytest.approx(np.mean(scores))


def test_odd_text_is_translated(translator):
    """Catches: text that crashes: other scripts, emoji, control symbols, one word."""
    texts = [
        "日本語です。",
        "ok 🎉👩‍👩‍👧",
        "</s><pad>",
        "\x07a\x00b",
        "ok" * 200,
        "مرحبا",
    ]
    for text, translation in zip(texts, translator.translate(texts), strict=True):
        assert translation.source_text == text
        assert translation.sentences


def test_too_long_a_text(translator):
    message = error_of(translator.translate, ["fine", "x" * 10_001])
    assert "10,001 characters; at most 10,000" in message


@pytest.mark.parametrize("count", [0, -1, 4])
def test_number_of_hypotheses_is_checked(translator, count):
    """Catches: fewer results than were asked for, in silence."""
    message = error_of(translator.translate, ["a"], BEAM, count)
    assert f"from 1 to the beam size, 3. Received: {count}." in message


@pytest.mark.parametrize(
    "texts", ["one text", b"one", {"text": 1}, ["a", b"bytes"], [None], [["nested"]]]
)
def test_texts_are_a_list_of_strings(translator, texts):
    """Catches: one string taken for a list of letters, a table for its columns."""
    for method in (translator.translate, translator.translate_sentences):
        with pytest.raises(TypeError, match="expected"):
            method(texts)
    with pytest.raises(TypeError, match="Received: NoneType as text 2 of 2"):
        translator.translate(["a", None])


def test_texts_may_come_from_anywhere(translator):
    """Catches: a generator that its own check empties."""
    expected = [found.text for found in translator.translate(SENTENCES)]
    for texts in (iter(SENTENCES), map(str, SENTENCES), np.array(SENTENCES)):
        assert [found.text for found in translator.translate(texts)] == expected
    found = translator.translate_sentences(iter(SENTENCES))
    assert len(found) == len(SENTENCES)


def test_a_translator_is_pickled_as_its_folder(translator, onnx_dir):
    """Catches: an error of the interpreter's; a translator of another model."""
    for own in (translator, OnnxTranslator.load(onnx_dir)):
        copy = pickle.loads(pickle.dumps(own))
        assert (
            copy.translate(SENTENCES[:1])[0].text
            == own.translate(SENTENCES[:1])[0].text
        )
    assert pickle.loads(pickle.dumps(translator.tokenizer)).encode("A b") == (
        translator.tokenizer.encode("A b")
    )
    twice = Translator.load_ensemble([translator.folder] * 2)
    assert isinstance(pickle.loads(pickle.dumps(twice)).model, Ensemble)
    made = Translator(translator.model, translator.tokenizer, translator.config)
    with pytest.raises(TypeError, match="was loaded from no folder"):
        pickle.dumps(made)


def test_translations_can_be_compared(translator):
    """Catches: arrays that are neither true nor false."""
    first, second = (translator.translate(SENTENCES) for _ in range(2))
    assert first == second and first[0] != first[1]


def test_a_fork_is_told_that_it_cannot(translator, monkeypatch):
    """Catches: a worker that waits for threads of TensorFlow that are not there."""
    monkeypatch.setattr("translator.inference.os.getpid", lambda: 0)
    for ask in (
        lambda: translator.translate(["A"]),
        lambda: translator.complete("A", "B"),
    ):
        with pytest.raises(UserError, match="does not survive a fork"):
            ask()


def test_an_onnx_folder_is_no_run_folder(onnx_dir):
    with pytest.raises(UserError, match="is an ONNX folder.*load_translator"):
        Translator.load(onnx_dir)


def test_one_trace_for_all_lengths(translator):
    """Catches: a search that is compiled anew for each length or batch size."""
    for sentences in (SENTENCES, SENTENCES[:1], ["a", "b c d e f g h i j k l m n"]):
        translator.translate_sentences(sentences, BEAM)
    assert translator._search(BEAM.beam_size).experimental_get_tracing_count() == 1


def test_one_trace_for_all_numbers(translator):
    """Catches: a client that fills the memory with graphs, one for each penalty; a
    number of an earlier search."""
    plain = translator.translate_sentences(SENTENCES[:1], BEAM)[0].hypotheses[0]
    for penalty in (0.0, 0.3, 0.7):
        search = BEAM.model_copy(update={"length_penalty": penalty})
        [found] = translator.translate_sentences(SENTENCES[:1], search, 3)
        for own in found.hypotheses:
            expected = own.log_prob / len(own.tokens) ** penalty
            assert own.score == pytest.approx(expected, rel=1e-5)
    short = BEAM.model_copy(update={"max_length_factor": 1e-6, "max_length_extra": 1})
    [found] = translator.translate_sentences(SENTENCES[:1], short)
    assert len(found.hypotheses[0].tokens) == 1 < len(plain.tokens)
    assert translator._search(BEAM.beam_size).experimental_get_tracing_count() == 1


def test_loaded_translator_knows_its_run(translator, run_dir):
    assert translator.name == "toy"
    assert (translator.source_language, translator.target_language) == ("en", "es")
    assert translator.card == "# A toy\n"
    assert translator.config.search.beam_size == 3
    assert translator.tokenizer.checksum in (run_dir / CONFIG_NAME).read_text()


@pytest.fixture
def copy(run_dir, tmp_path):
    """A copy of the run folder, to damage."""
    return shutil.copytree(run_dir, tmp_path / "copy")


@pytest.mark.parametrize("name", [CONFIG_NAME, TOKENIZER_NAME, BEST_NAME])
def test_missing_file(copy, name):
    (copy / name).unlink()
    assert str(copy) in error_of(Translator.load, copy)


@pytest.mark.parametrize("name", [CONFIG_NAME, TOKENIZER_NAME, BEST_NAME])
def test_damaged_file(copy, name):
    """Catches: a traceback of the library that reads the file."""
    (copy / name).write_bytes(b"\x00damaged")
    assert str(copy / name) in error_of(Translator.load, copy)


def test_no_folder(tmp_path):
    assert "there is no folder" in error_of(Translator.load, tmp_path / "nothing")


def test_a_card_is_not_needed(copy):
    (copy / "README.md").unlink()
    assert Translator.load(str(copy)).card == ""


def test_the_tokenizer_of_another_run(copy):
    """Catches: ids of one vocabulary looked up in the embeddings of another."""
    path = copy / CONFIG_NAME
    content = json.loads(path.read_text("utf-8"))
    content["tokenizer_sha256"] = "0" * 64
    path.write_text(json.dumps(content), "utf-8")
    assert "is not the tokenizer that the model was" in error_of(Translator.load, copy)


def test_weights_of_another_network(copy):
    arrays = load_arrays(copy / BEST_NAME)
    name = next(iter(arrays))
    arrays[name] = arrays[name][:-1]
    save_arrays(copy / BEST_NAME, arrays)
    message = error_of(Translator.load, copy)
    assert "does not fit the network" in message and name in message


# --- Ensembles -----------------------------------------------------------------------


@pytest.fixture
def other_dir(run_dir, tmp_path):
    """A run of the same vocabulary with other weights."""
    other = tmp_path / "other"
    shutil.copytree(run_dir, other)
    rng = np.random.default_rng(7)
    arrays = load_arrays(other / BEST_NAME)
    noisy = {
        name: array + rng.normal(scale=0.3, size=array.shape).astype(array.dtype)
        for name, array in arrays.items()
    }
    save_arrays(other / BEST_NAME, noisy)
    return other


def test_a_model_twice_is_the_model(run_dir, translator):
    """Catches: probabilities that no longer sum to one, states of another network."""
    twice = Translator.load_ensemble([run_dir, run_dir])
    together = twice.translate_sentences(SENTENCES, BEAM, 3)
    alone = translator.translate_sentences(SENTENCES, BEAM, 3)
    for ours, theirs in zip(together, alone, strict=True):
        assert_same(ours, theirs)


def test_the_probability_is_the_mean(run_dir, other_dir):
    """Catches: the mean of logarithms, the first network's alone, a lost count."""
    models = [Translator.load(path).model for path in (run_dir, other_dir)]
    ensemble = Translator.load_ensemble([run_dir, other_dir]).model
    source_ids = np.array([[7, 9, 3], [8, 3, 0]], np.int32)
    ids = np.array([BOS_ID, BOS_ID], np.int32)
    probs, weights = [], []
    for model in (*models, ensemble):
        memory, state = model.encode(source_ids, source_ids != 0)
        result = model.step(ids, state, memory)
        powers = np.exp(np.float64(result.logits))
        probs.append(powers / powers.sum(axis=1, keepdims=True))
        weights.append(result.attention_weights)
    assert np.abs(probs[0] - probs[1]).max() > 0.01
    np.testing.assert_allclose(probs[2], (probs[0] + probs[1]) / 2, atol=1e-6)
    np.testing.assert_allclose(powers.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(weights[2], (weights[0] + weights[1]) / 2, atol=1e-6)


def test_load_translator_takes_an_ensemble(run_dir, other_dir):
    translator = load_translator(run_dir, [other_dir])
    assert len(translator.model.models) == 2 and translator.name == "toy"
    [translation] = translator.translate(["Nobody sings."], GREEDY)
    assert translation.sentences[0].hypotheses[0].tokens


def test_runs_of_other_vocabularies_are_refused(run_dir, other_dir):
    """Catches: ids of one vocabulary read as those of another."""
    path = other_dir / TOKENIZER_NAME
    path.write_bytes(Tokenizer.train(["one two three"] * 9, 300).model_bytes)
    config = json.loads((other_dir / CONFIG_NAME).read_text("utf-8"))
    del config["tokenizer_sha256"]
    (other_dir / CONFIG_NAME).write_text(json.dumps(config), "utf-8")
    message = error_of(load_translator, run_dir, [other_dir])
    assert "have different vocabularies" in message


def test_runs_of_other_languages_are_refused(run_dir, other_dir):
    """Catches: the mean of the probabilities of two languages' words."""
    config = json.loads((other_dir / CONFIG_NAME).read_text("utf-8"))
    config["data"] |= {"source_language": "es", "target_language": "en"}
    (other_dir / CONFIG_NAME).write_text(json.dumps(config), "utf-8")
    message = error_of(load_translator, run_dir, [other_dir])
    assert "translates es to en" in message and "en to es" in message


def test_only_run_folders_translate_together(run_dir, tmp_path):
    (tmp_path / "encoder.onnx").touch()
    message = error_of(load_translator, run_dir, [tmp_path])
    assert f"{tmp_path} is no run folder" in message
