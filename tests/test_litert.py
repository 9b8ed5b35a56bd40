"""The network for LiteRT: its own interpreter finds what the translator finds."""

import warnings

import numpy as np
import pytest
import tensorflow as tf

from translator.errors import UserError
from translator.litert import MODEL_NAME, export_litert
from translator.tokenizer import BOS_ID, EOS_ID, Tokenizer

SENTENCES = ["The red house.", "Where did you leave my keys?", "Nobody"]


@pytest.fixture(scope="module")
def folder(translator, tmp_path_factory):
    path = tmp_path_factory.mktemp("litert") / "toy"
    export_litert(translator, path)
    return path


@pytest.fixture(scope="module")
def interpreter(folder):
    with warnings.catch_warnings():
        # It moves to a package of its own, `ai-edge-litert`.
        warnings.filterwarnings("ignore", ".*tf.lite.Interpreter", UserWarning)
        return tf.lite.Interpreter(str(folder / MODEL_NAME))


def search_greedily(interpreter, source_ids, max_length):
    """Returns the ids that LiteRT writes, and their log-probability."""
    encode, step = map(interpreter.get_signature_runner, ("encode", "step"))
    parts = encode(source_ids=np.array([source_ids], np.int32))
    ids, log_prob = [BOS_ID], 0.0
    while len(ids) <= max_length and ids[-1] != EOS_ID:
        outputs = step(ids=np.array(ids[-1:], np.int32), **parts)
        [logits] = outputs["logits"]
        ids.append(int(logits.argmax()))
        log_prob += float(logits.max() - np.logaddexp.reduce(logits))
        parts |= {name: value for name, value in outputs.items() if name in parts}
    return ids[1:], log_prob


def test_it_writes_what_the_translator_writes(translator, folder, interpreter):
    """Catches: weights that are lost, a state of another layer, a fixed length."""
    tokenizer = Tokenizer.load(folder / "tokenizer.model")
    search = translator.search.model_copy(update={"beam_size": 1})
    found = translator.translate_sentences(SENTENCES, search)
    for sentence, expected in zip(SENTENCES, found, strict=True):
        best = expected.hypotheses[0]
        source_ids = tokenizer.encode(sentence)
        ids, log_prob = search_greedily(interpreter, source_ids, len(best.tokens))
        assert tokenizer.tokens(ids) == best.tokens
        assert log_prob == pytest.approx(best.log_prob, abs=1e-3)


def test_rows_of_one_sentence_do_not_mix(translator, folder, interpreter):
    """Catches: a fixed number of rows; attention of one row alone."""
    encode, step = map(interpreter.get_signature_runner, ("encode", "step"))
    source_ids = translator.tokenizer.encode(SENTENCES[1])
    parts = encode(source_ids=np.array([source_ids], np.int32))
    rows = {
        name: np.repeat(value, 3, axis=0) if name.startswith("state") else value
        for name, value in parts.items()
    }
    together = step(ids=np.array([BOS_ID, 7, 9], np.int32), **rows)
    for row, token_id in enumerate([BOS_ID, 7, 9]):
        alone = step(ids=np.array([token_id], np.int32), **parts)
        for name, value in alone.items():
            np.testing.assert_allclose(together[name][row], value[0], atol=1e-5)
    np.testing.assert_allclose(together["attention_weights"].sum(-1), 1, rtol=1e-5)


def test_only_builtin_operations(interpreter):
    """Catches: operations that need TensorFlow beside LiteRT."""
    names = {details["op_name"] for details in interpreter._get_ops_details()}
    assert "FULLY_CONNECTED" in names
    assert not [name for name in names if name.startswith("Flex") or name == "CUSTOM"]


def test_nothing_is_overwritten(translator, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="is not an empty folder"):
        export_litert(translator, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
