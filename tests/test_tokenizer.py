"""Subwords: nothing is lost, nothing depends on the machine or the process."""

import io
import itertools
import os
import random
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
import sentencepiece

from translator import tokenizer as tokenizer_module
from translator.errors import UserError
from translator.placeholders import PLACEHOLDERS
from translator.text import normalize_text
from translator.tokenizer import (
    BOS_ID,
    EOS_ID,
    PAD_ID,
    UNK_ID,
    Tokenizer,
    token_labels,
)

SUBJECTS = ("The farmer", "A tired driver", "El señor Núñez", "¿Quién", "Your sister")
VERBS = ("painted", "was painting", "repainted", "compró", "is walking towards")
OBJECTS = ("the houses", "7 horses", "25 montañas", "una canción triste", "o’clock")
TEXTS = [
    f"{subject} {verb} {thing}{mark}"
    for subject, verb, thing, mark in itertools.product(
        SUBJECTS, VERBS, OBJECTS, (".", "?", "!")
    )
]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.train(TEXTS, vocabulary_size=420)


def random_texts(seed: int, count: int) -> list[str]:
    """Lines of letters of all planes, spaces, digits and known words."""
    rng = random.Random(seed)
    letters = [lambda: chr(rng.randrange(0x110000)), lambda: rng.choice(" \t▁0123<>/s")]
    letters += [lambda: rng.choice(TEXTS)[:5]]
    return ["".join(rng.choice(letters)() for _ in range(20)) for _ in range(count)]


def test_decode_inverts_encode(tokenizer):
    """Catches: no byte fallback, SentencePiece's own NFKC, a lost first space."""
    unseen = ["", " ", "Привет, 日本語!", "👨‍👩‍👧 ½ﬁ", "1234567890", "a  b", "İ ı"]
    for text in [*TEXTS, *unseen, *random_texts(1, 500)]:
        assert tokenizer.decode(tokenizer.encode(text)) == normalize_text(text)


def test_encode_ends_in_eos_and_has_no_other_special_id(tokenizer):
    """Catches: a BOS too many, a missing EOS, PAD that is EOS, text read as markup."""
    assert (PAD_ID, UNK_ID, BOS_ID, EOS_ID) == (0, 1, 2, 3)
    lookalikes = "<s> </s> <pad> <unk> ⁇ ▁ <0x41> \ud800 </s>"
    for text in [*TEXTS, *random_texts(2, 200), lookalikes, ""]:
        *ids, last = tokenizer.encode(text)
        assert last == EOS_ID
        assert all(EOS_ID < token_id < tokenizer.vocabulary_size for token_id in ids)


def test_tokens_are_the_pieces_of_the_text(tokenizer):
    """Catches: tokens of the wrong ids; no space before the first word."""
    tokens = tokenizer.tokens(np.array(tokenizer.encode("The 25 houses")))
    assert tokens[-1] == "</s>"
    assert "".join(tokens[:-1]).replace("▁", " ") == " The 25 houses"


def test_digits_are_cut_one_by_one():
    """Catches: one token for a frequent number."""
    texts = [f"{word} 2024" for text in TEXTS for word in text.split()]
    tokenizer = Tokenizer.train(texts, 420)
    tokens = tokenizer.tokens(tokenizer.encode("horses 2024"))
    assert tokens[-6:] == ["▁", "2", "0", "2", "4", "</s>"]


def test_known_words_have_few_tokens(tokenizer):
    """Catches: a vocabulary of characters, or one that was never trained."""
    num_tokens = sum(len(tokenizer.encode(text)) for text in TEXTS)
    num_words = sum(len(text.split()) for text in TEXTS)
    assert num_tokens < 5 * num_words < sum(map(len, TEXTS))


def test_decode_stops_at_eos_and_skips_special_ids(tokenizer):
    """Catches: padding or text after EOS shown; BOS or UNK shown."""
    ids = tokenizer.encode("The houses")
    padded = [BOS_ID, UNK_ID, *ids, PAD_ID, *tokenizer.encode("horses")]
    assert tokenizer.decode(np.array(padded, np.int32)) == "The houses"
    assert tokenizer.decode([]) == tokenizer.decode([EOS_ID]) == ""


def test_decode_always_gives_one_clean_line(tokenizer):
    """Catches: bytes of an untrained model that break a line or are no UTF-8."""
    rng = np.random.default_rng(3)
    for ids in rng.integers(0, tokenizer.vocabulary_size, (300, 12)):
        for errors in ("replace", "ignore"):
            text = tokenizer.decode(ids, errors)
            assert text == normalize_text(text)
        assert "\ufffd" not in text
        text.encode()


def test_save_and_load_keep_every_id(tokenizer, tmp_path):
    """Catches: a file that is not the model; a checksum of something else."""
    tokenizer.save(tmp_path / "tokenizer.model")
    loaded = Tokenizer.load(tmp_path / "tokenizer.model")
    assert loaded.encode_batch(TEXTS) == tokenizer.encode_batch(TEXTS)
    assert loaded.checksum == tokenizer.checksum
    assert Tokenizer(tokenizer.model_bytes).checksum == tokenizer.checksum
    assert Tokenizer.train(TEXTS[:200], 350).checksum != tokenizer.checksum


def test_another_process_gets_the_same_model_and_samples(tokenizer):
    """Catches: training by the number of cores or by hashes; foreign randomness."""
    script = (
        "import numpy, sys\n"
        "from translator.tokenizer import Tokenizer\n"
        "texts = sys.stdin.read().splitlines()\n"
        "tokenizer = Tokenizer.train(texts, vocabulary_size=420)\n"
        "rng = numpy.random.default_rng(5)\n"
        "print(tokenizer.checksum, tokenizer.sample_batch(texts, 0.7, rng))"
    )
    result = subprocess.run(
        [sys.executable, "-c", script],
        input="\n".join(TEXTS).encode(),
        capture_output=True,
        check=True,
        env=os.environ | {"PYTHONHASHSEED": "7", "OMP_NUM_THREADS": "1"},
    )
    samples = tokenizer.sample_batch(TEXTS, 0.7, np.random.default_rng(5))
    assert result.stdout.decode().strip() == f"{tokenizer.checksum} {samples}"
    assert result.stderr == b""


def test_sample_batch_leaves_the_other_share_alone(tokenizer):
    """Catches: sampling all or none; texts changed; EOS lost; rows exchanged."""
    best = tokenizer.encode_batch(TEXTS)
    rng = np.random.default_rng(6)
    assert tokenizer.sample_batch(TEXTS, 0.0, rng) == best
    for share in (0.3, 1.0):
        sampled = tokenizer.sample_batch(TEXTS, share, rng, smoothness=0.0)
        changed = np.mean([a != b for a, b in zip(sampled, best, strict=True)])
        # Every word has several candidates. 375 texts: standard error below 0.03.
        assert abs(changed - share) < 0.1
        assert list(map(tokenizer.decode, sampled)) == TEXTS
        assert all(ids[-1] == EOS_ID for ids in sampled)


def test_samples_spell_any_text(tokenizer):
    """Catches: words joined without their space; bytes, empty texts and lines of spaces
    that only the best segmentation of a text handles."""
    texts = ["", " ", "日本語です", *random_texts(9, 500)]
    sampled = tokenizer.sample_batch(texts, 1.0, np.random.default_rng(8))
    assert list(map(tokenizer.decode, sampled)) == list(map(normalize_text, texts))


def test_words_are_drawn_independently(tokenizer):
    """Catches: one draw for all words; a word's segmentation that fits no text."""
    rng = np.random.default_rng(9)
    one, both = (
        tokenizer.sample_batch([text] * 4_000, 1.0, rng, num_candidates=2, smoothness=0)
        for text in ("repainted", "repainted repainted")
    )
    first, second = {tuple(ids[:-1]) for ids in one}
    counts = Counter(tuple(ids[:-1]) for ids in both)
    expected = {first + first, first + second, second + first, second + second}
    assert set(counts) == expected
    # Standard error of a frequency: below 0.007.
    assert all(abs(count / 4_000 - 0.25) < 0.03 for count in counts.values())
    assert tuple(tokenizer.encode("repainted repainted")[:-1]) in expected


def test_samples_follow_the_probabilities_of_the_segmentations(tokenizer):
    """Catches: a forgotten smoothness, scores of the wrong pieces, wrong noise."""
    text, smoothness = "repainted", 0.1
    processor = sentencepiece.SentencePieceProcessor(model_proto=tokenizer.model_bytes)
    candidates = processor.nbest_encode(text, nbest_size=6, out_type=int)
    weights = np.exp(
        [smoothness * sum(map(processor.get_score, ids)) for ids in candidates]
    )
    rng = np.random.default_rng(7)
    drawn = tokenizer.sample_batch(
        [text] * 6_000, 1.0, rng, num_candidates=6, smoothness=smoothness
    )
    counts = Counter(tuple(ids[:-1]) for ids in drawn)
    frequencies = [counts[tuple(ids)] / 6_000 for ids in candidates]
    # Standard error of a frequency: below 0.5 / sqrt(6000) = 0.0065.
    np.testing.assert_allclose(frequencies, weights / weights.sum(), atol=0.03)
    assert len(set(np.round(frequencies, 1))) > 2, "the case must tell draws apart"


def test_a_graph_gets_the_same_ids(tokenizer):
    """Catches: an option that TensorFlow Text reads in another way."""
    tensorflow_text = pytest.importorskip(
        "tensorflow_text", reason="TensorFlow Text has no wheel for this platform"
    )
    texts = [normalize_text(text) for text in [*TEXTS, *random_texts(8, 300), ""]]
    # Made and used at once: keras.utils.set_random_seed destroys live ones.
    graph_tokenizer = tensorflow_text.SentencepieceTokenizer(
        tokenizer.model_bytes, add_eos=True
    )
    assert graph_tokenizer.tokenize(texts).to_list() == tokenizer.encode_batch(texts)


def test_few_words_give_a_smaller_vocabulary():
    """Catches: 'Vocabulary size too high' on a small corpus."""
    small = Tokenizer.train(["uno dos", "one two"], vocabulary_size=5_000)
    assert 260 < small.vocabulary_size < 300
    assert small.decode(small.encode("dos uno")) == "dos uno"


@pytest.mark.parametrize(
    ("limit", "value"), [("MAX_TRAINING_LINES", 50), ("MAX_TRAINING_CHARACTERS", 270)]
)
def test_a_large_corpus_is_sampled_throughout(monkeypatch, limit, value):
    """Catches: a vocabulary made of the first lines only; a sample without a seed."""
    monkeypatch.setattr(tokenizer_module, limit, value)
    texts = ["ababab"] * 60 + ["zyzyzy"] * 60 + [f"q{n:x}" for n in range(80)]
    trained = [Tokenizer.train(iter(texts), 400, seed) for seed in (1, 1, 2)]
    for tokenizer in trained:
        tokens = "".join(tokenizer.tokens(tokenizer.encode("ba yz")))
        assert tokens == "▁ba▁yz</s>"  # No byte tokens: both halves were seen.
    assert trained[0].checksum == trained[1].checksum != trained[2].checksum


def test_long_lines_are_fewer(monkeypatch):
    """Catches: gigabytes for a corpus of long sentences; a limit that is overstepped,
    or that takes lines from a corpus that is small enough."""
    monkeypatch.setattr(tokenizer_module, "MAX_TRAINING_CHARACTERS", 100)
    sample = tokenizer_module._sample_lines
    assert sample(["a" * 10] * 10, seed=1) == ["a" * 10] * 10
    many = sample([letter * 7 for letter in "abcdefghijklmnopqrst"], seed=1)
    assert len(set(many)) == 14


@pytest.mark.parametrize(
    ("texts", "vocabulary_size", "message"),
    [
        ([], 500, "no text"),
        ([" ", "\n"], 500, "no text"),
        (TEXTS, 270, r"need \d+ subwords. Received: vocabulary_size=270. Use some"),
    ],
)
def test_train_refuses(texts, vocabulary_size, message, capfd):
    """Catches: an internal error of SentencePiece, or its log, shown to the user."""
    with pytest.raises(UserError, match=message):
        Tokenizer.train(texts, vocabulary_size)
    assert capfd.readouterr() == ("", "")


def test_load_refuses_what_is_no_tokenizer_of_ours(tmp_path, capfd):
    """Catches: ids shifted by another program's special tokens; a bare traceback."""
    path = tmp_path / "tokenizer.model"
    with pytest.raises(UserError, match=r"tokenizer\.model: No such file"):
        Tokenizer.load(path)
    path.write_bytes(b"\x80not a model")
    with pytest.raises(UserError, match=r"tokenizer\.model: .* not a SentencePiece"):
        Tokenizer.load(path)
    foreign = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS),
        model_writer=foreign,
        vocab_size=100,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    path.write_bytes(foreign.getvalue())
    with pytest.raises(UserError, match="Received: -1, 0, 1, 2"):
        Tokenizer.load(path)
    assert capfd.readouterr() == ("", "")


def test_placeholders_are_subwords_by_themselves(tokenizer):
    """Catches: a placeholder spelled in bytes, or joined with what is beside it; a
    tokenizer of old that claims to have them.
    """
    trained = Tokenizer.train(TEXTS, 420, placeholders=PLACEHOLDERS)
    assert trained.placeholders == PLACEHOLDERS and tokenizer.placeholders == ""
    assert Tokenizer(trained.model_bytes).placeholders == PLACEHOLDERS
    text = "The {} houses{}{}, {}.".format(*PLACEHOLDERS)
    rng = np.random.default_rng(1)
    for ids in (trained.encode(text), *trained.sample_batch([text] * 9, 1.0, rng)):
        tokens = trained.tokens(ids)
        assert [token for token in tokens if set(PLACEHOLDERS) & set(token)] == list(
            PLACEHOLDERS
        )
        assert trained.decode(ids) == text
    assert tokenizer.decode(tokenizer.encode(text)) == text
    labels = token_labels(["▁on", "▁", PLACEHOLDERS[1], "</s>"])
    assert labels == ["on", "(space)", "(copy 2)", "(end)"]


def test_rare_words_are_cut(tokenizer):
    assert not tokenizer.is_cut("houses") and tokenizer.is_cut("Oyelaran")
