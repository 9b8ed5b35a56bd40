"""A SavedModel with text in and text out, and the way back.

Everything is in the graph: sentences, normalisation, subwords, search, and the words
again. A program that loads it needs TensorFlow and TensorFlow Text, not this package.

    OUT/NAME/VERSION/                 as TensorFlow Serving looks for it
        saved_model.pb, variables/    the graph and its weights
        assets.extra/translator.json  what `SavedModelTranslator` needs to know, with
        assets.extra/tokenizer.model  the subwords, which the graph has itself
        assets.extra/tf_serving_warmup_requests   what a server asks it first

Shapes: B batch, N sentences of all texts, S source length, T target length, K
hypotheses of a sentence.
"""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self

import keras
import numpy as np
import tensorflow as tf

from translator import graph_placeholders, graph_text
from translator.checkpoints import TOKENIZER_NAME, saved_versions
from translator.config import DataConfig, SearchConfig
from translator.disk import make_folder, write_json
from translator.errors import RefusedWriteError, UserError
from translator.inference import Translator, search_translations
from translator.languages import and_word, has_ascii_digits
from translator.placeholders import PLACEHOLDERS, CapitalRule
from translator.startup import silent_stderr
from translator.text import (
    MAX_SENTENCE_CHARACTERS,
    NORMALIZATION_RULES,
    normalize_text,
)
from translator.text_translator import TextTranslator
from translator.tokenizer import EOS_ID, PAD_ID, UNK_ID, Tokenizer
from translator.translations import Hypothesis, SentenceTranslation, blank_translation

WeightsKind = Literal["float32", "float16", "int8"]
# The axis of a matrix along which numbers of 8 bits share a scale, by its name.
_SHARED_AXES = {"kernel": 0, "recurrent_kernel": 0, "embeddings": 1}
# Facts for `SavedModelTranslator`; TensorFlow passes over the folder.
_FACTS_NAME = Path("assets.extra/translator.json")
_NBEST = "translate_nbest"
_WARM_UP_NAME = "assets.extra/tf_serving_warmup_requests"
# Of other lengths: functions that are traced are so for all of them.
_WARM_UP_TEXTS = ("Hello.", "A sentence of some more words, so that it takes longer.")
# Sentences searched together.
_BATCH_SIZE = 64
# What a damaged folder can raise, wherever the damage is.
_LOAD_ERRORS = (OSError, ValueError, KeyError, TypeError, tf.errors.OpError)


def _import_tensorflow_text():
    try:
        import tensorflow_text
    except ImportError:
        raise UserError(
            "a SavedModel that takes text needs tensorflow-text, which is not "
            "installed; it has wheels for Linux and for macOS on Apple silicon. "
            "Install it there, or use the run folder itself."
        ) from None
    return tensorflow_text


class PackedWeight(tf.Module):
    """A weight as it is stored: in float32, or smaller.

    With `int8` the numbers of a matrix are multiples of a scale: the largest of their
    column in a kernel, or of their token in an embedding, over 127. Vectors stay in
    float32.

    Args:
        variable: The network's.
        kind: How to store it.
    """

    def __init__(self, variable: keras.Variable, kind: WeightsKind):
        super().__init__()
        numbers = variable.numpy()
        axis = _SHARED_AXES.get(variable.name)
        self.scale = None
        if kind == "int8" and axis is not None:
            scale = np.abs(numbers).max(axis, keepdims=True) / 127
            scale = np.maximum(scale, np.finfo(np.float32).tiny)
            numbers = np.round(numbers / scale).astype(np.int8)
            self.scale = tf.Variable(scale, trainable=False)
        if kind == "float16":
            numbers = numbers.astype(np.float16)
        self.numbers = tf.Variable(numbers, trainable=False)

    def unpack(self):
        """Returns the weight in float32."""
        numbers = tf.cast(self.numbers, tf.float32)
        return numbers if self.scale is None else numbers * self.scale


class ServingModule(tf.Module):
    """The graph that is saved: a translator's network, subwords and search.

    Args:
        translator: What to save.
        weights: How to store the weights. They are unpacked once a batch: as they are
            variables, no optimisation does it beforehand.
    """

    def __init__(self, translator: Translator, weights: WeightsKind = "float32"):
        super().__init__(name="translator")
        self._text = _import_tensorflow_text()
        model, search = translator.model, translator.search
        self.weights = [PackedWeight(variable, weights) for variable in model.weights]

        def find(source_ids):
            unpacked = [weight.unpack() for weight in self.weights]
            with keras.StatelessScope(zip(model.weights, unpacked, strict=True)):
                return search_translations(model, source_ids, search)

        # The network in a function: as an attribute, its variables would be saved, too.
        self._find = find
        self._has_placeholders = bool(translator.tokenizer.placeholders)
        self._languages = translator.source_language, translator.target_language
        self._gap = translator.gap
        self._longest = translator.max_sentence_characters
        self._capital_rule = translator.capital_rule
        words = sorted(translator.capital_rule.known_words) or [""]  # none is refused
        self._known_words = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(
                tf.constant(words, tf.string), tf.ones([len(words)], tf.int32)
            ),
            default_value=0,
        )
        self._number_marks = translator.number_marks
        self._and_word = and_word(translator.source_language)
        self._has_ascii_digits = has_ascii_digits(translator.target_language)
        with silent_stderr():  # "use identity normalization"
            self.tokenizer = self._text.SentencepieceTokenizer(
                translator.tokenizer.model_bytes, out_type=tf.int32, add_eos=True
            )

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.string, name="text")], autograph=False
    )
    def translate(self, text):
        """Signature `serving_default`: texts as `TextTranslator.translate` takes them.

        Args:
            text: UTF-8 strings, shape `(batch_size,)`, of any number of sentences and
                lines, in capitals or not. Sentences of similar length are searched
                together, `_BATCH_SIZE` at a time.

        Returns:
            `translation`, strings `(batch_size,)`, with the white space between the
            sentences as it was, and `score`, float32 `(batch_size,)`: the mean of the
            sentences' scores, log-probabilities over length. Text without a letter or
            a digit stays as it is; its score is 0.
        """
        texts = graph_text.split_sentences(_valid_utf8(text), self._longest)
        translations, scores = self._translate_in_batches(texts.sentences)
        return {
            "translation": texts.join(translations, self._gap),
            "score": texts.mean_scores(scores),
        }

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.string, name="text")], autograph=False
    )
    def translate_nbest(self, text):
        """Signature `translate_nbest`: all hypotheses, and what they looked at.

        Each text is one sentence, and is translated as it is, without placeholders.
        Blank text gives an empty translation of score 0. The K hypotheses are those of
        the search: some may be the same text, of other subwords, or empty.

        Returns:
            `translations` `(B, K)`, `scores` `(B, K)`, `log_probs` `(B, K)`,
            `is_finished` `(B, K)`, `tokens` `(B, K, T)` padded with empty strings,
            `token_log_probs` `(B, K, T)`, `source_tokens` `(B, S)` padded likewise,
            and `attention_weights` `(B, K, T, S)`.
        """
        return self._translate_nbest(text)

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.string, name="text")], autograph=False
    )
    def translate_with_attention(self, text):
        """Signature `translate_with_attention`: the best translation and its tokens.

        Each text is one sentence, as for `translate_nbest`.

        Returns:
            `translation` `(B,)`, `score` `(B,)`, `tokens` `(B, T)` padded with empty
            strings, `source_tokens` `(B, S)` likewise, and `attention_weights`
            `(B, T, S)`: each row what a token looked at.
        """
        best = self._translate_nbest(text)
        return {
            "translation": best["translations"][:, 0],
            "score": best["scores"][:, 0],
            "tokens": best["tokens"][:, 0],
            "source_tokens": best["source_tokens"],
            "attention_weights": best["attention_weights"][:, 0],
        }

    @tf.function(
        input_signature=[tf.TensorSpec([None, None], tf.int32, name="source_ids")],
        autograph=False,
    )
    def translate_ids(self, source_ids):
        """Signature `translate_ids`: for hosts that cut into subwords themselves.

        Args:
            source_ids: int32, shape `(batch_size, source_length)`: ids of the run's
                `tokenizer.model`, each row with EOS (3) at its end and padded with 0.

        Returns:
            `ids`, int32 `(B, T)`, with EOS and padding likewise, and `score`, float32
            `(B,)`.
        """
        found = self._find(source_ids)
        return {"ids": found.ids[:, 0], "score": found.scores[:, 0]}

    @property
    def signatures(self):
        """Name -> function, of all that can be asked for."""
        return {
            "serving_default": self.translate,
            _NBEST: self.translate_nbest,
            "translate_with_attention": self.translate_with_attention,
            "translate_ids": self.translate_ids,
        }

    def _translate_in_batches(self, sentences):
        """Returns translations `(N,)` and their scores, of any number of sentences:
        with little padding, and in memory that does not grow with the text."""
        translate = self._translate_folded
        if self._has_placeholders:
            translate = self._translate_protected
        order = tf.argsort(tf.strings.length(sentences), stable=True)
        num_batches = tf.maximum(1, -(-tf.size(order) // _BATCH_SIZE))
        arrays = [
            tf.TensorArray(dtype, num_batches, element_shape=[None], infer_shape=False)
            for dtype in (tf.string, tf.float32)
        ]

        def translate_batch(index, texts, scores):
            start = index * _BATCH_SIZE
            places = order[start : start + _BATCH_SIZE]
            before, inner, after = graph_text.unwrap(tf.gather(sentences, places))
            text, score = translate(inner)
            text = tf.strings.join([before, text, after])
            return index + 1, texts.write(index, text), scores.write(index, score)

        _, *arrays = tf.while_loop(
            lambda index, *_: index < num_batches,
            translate_batch,
            (0, *arrays),
            parallel_iterations=1,
        )
        back = tf.math.invert_permutation(order)
        return tuple(tf.gather(array.concat(), back) for array in arrays)

    def _translate_folded(self, sentences):
        """Returns translations `(N,)` and their scores, of sentences in any letters."""
        text, is_upper = self._fold(sentences)
        best = self._translate_nbest(self._spell_and(text))
        text = self._capitalize(best["translations"][:, 0], is_upper)
        return text, best["scores"][:, 0]

    def _translate_protected(self, sentences):
        """As `_translate_folded`, past what is copied: what `translate_sentences` of
        `TextTranslator` says in Python."""
        neat = graph_placeholders.drop_placeholders(self._normalize(sentences))
        protected, is_upper = self._prepare(neat)
        is_copy = protected.is_copy
        found = self._translate_nbest(tf.where(is_copy, "", protected.text))
        is_intact = protected.is_intact(found["translations"])  # (N, K)
        first = tf.argmax(is_intact, axis=1)
        best = tf.gather(found["translations"], first, batch_dims=1)
        scores = tf.gather(found["scores"], first, batch_dims=1)
        best = graph_placeholders.restore(
            self._capitalize(best, is_upper), protected.originals
        )
        is_lost = ~tf.reduce_any(is_intact, axis=1) & ~is_copy
        best, scores = self._translate_lost(neat, is_lost, best, scores)
        copies = graph_placeholders.restore(protected.text, protected.originals)
        return tf.where(is_copy, copies, best), scores

    def _translate_lost(self, sentences, is_lost, translations, scores):
        """Replaces those translations that are lost by those of plain sentences."""

        def replace():
            found = self._translate_folded(tf.boolean_mask(sentences, is_lost))
            nothing = tf.fill([tf.size(found[0]), len(PLACEHOLDERS)], "")
            plain = graph_placeholders.restore(found[0], nothing)
            return tuple(
                tf.tensor_scatter_nd_update(before, tf.where(is_lost), after)
                for before, after in ((translations, plain), (scores, found[1]))
            )

        return tf.cond(tf.reduce_any(is_lost), replace, lambda: (translations, scores))

    def _prepare(self, sentences):
        """`TextTranslator.prepare` in the graph, of normalised sentences; but for
        `emphasis`, which needs to know which words come from which.

        Returns:
            `ProtectedSentences` in the letters that models know, and bool `(N,)`:
            which were all capitals.
        """
        protected = graph_placeholders.protect(sentences)
        originals = protected.originals
        text, is_upper = self._fold(protected.text)
        if self._capital_rule.inner or self._capital_rule.first:
            named = graph_placeholders.protect(sentences, self._is_unknown)
            is_neat = text == protected.text
            text = tf.where(is_neat, named.text, text)
            originals = tf.where(is_neat[:, None], named.originals, originals)
        if self._has_ascii_digits:
            originals = graph_placeholders.with_ascii_digits(originals)
        if self._number_marks:
            originals = graph_placeholders.rewrite_numbers(
                originals, *self._number_marks
            )
        text = self._spell_and(text)
        return graph_placeholders.ProtectedSentences(text, originals), is_upper

    def _fold(self, sentences):
        if not self._capital_rule.folds:
            return sentences, tf.zeros_like(sentences == "", tf.bool)
        return graph_text.fold_capitals(sentences, self._languages[0])

    def _spell_and(self, sentences):
        if not self._and_word:
            return sentences
        return tf.strings.regex_replace(sentences, " & ", f" {self._and_word} ")

    def _capitalize(self, translations, is_upper):
        capitals = graph_text.capital_letters(translations, self._languages[1])
        return tf.where(is_upper, capitals, translations)

    def _is_unknown(self, words, is_first):
        """`CapitalRule.is_unknown` of words `(M,)`."""
        is_name = tf.where(is_first, self._capital_rule.first, self._capital_rule.inner)
        return is_name & (self._known_words.lookup(words) == 0)

    def _translate_nbest(self, text):
        text = self._normalize(text)
        source_ids = self.tokenizer.tokenize(text).to_tensor(PAD_ID)  # (B, S)
        found = self._find(source_ids)
        is_word = tf.reduce_all(
            found.ids[..., None] != [PAD_ID, UNK_ID, EOS_ID], axis=-1
        )  # BOS is never chosen
        words = tf.ragged.boolean_mask(found.ids, is_word)
        translations = _valid_utf8(self.tokenizer.detokenize(words.merge_dims(0, 1)))
        translations = tf.strings.regex_replace(translations, "\ufffd", "")
        translations = self._normalize(translations)
        translations = tf.reshape(translations, tf.shape(found.scores))
        is_blank = (text == "")[:, None]
        return {
            "translations": tf.where(is_blank, "", translations),
            "scores": tf.where(is_blank, 0.0, found.scores),
            "log_probs": tf.where(is_blank, 0.0, found.log_probs),
            "is_finished": found.is_finished,
            "tokens": self._tokens(found.ids),
            "token_log_probs": found.token_log_probs,
            "source_tokens": self._tokens(source_ids),
            "attention_weights": found.attention_weights,
        }

    def _normalize(self, text):
        """`text.normalize_text`, in the graph."""
        text = _valid_utf8(text)
        for pattern, replacement in NORMALIZATION_RULES:
            text = tf.strings.regex_replace(text, pattern, replacement)
        return self._text.normalize_utf8(text, "NFC")

    def _tokens(self, ids):
        tokens = self.tokenizer.id_to_string(ids)
        return tf.where(ids == PAD_ID, "", tokens)


def _valid_utf8(text):
    """Bytes that are no UTF-8 become U+FFFD."""
    return tf.strings.unicode_transcode(text, "UTF-8", "UTF-8")


def export_saved_model(
    translator: Translator,
    out_dir: str | Path,
    version: int | None = None,
    weights: WeightsKind = "float32",
) -> Path:
    """Saves a translator as a SavedModel: a version of its model.

    The search options of the run are fixed in the graph. The folder is written under
    another name and renamed, so that it is there as a whole or not at all, as a server
    that watches `out_dir` needs it.

    Args:
        translator: What to save.
        out_dir: Folder of models; the version's is `out_dir/NAME/VERSION`.
        version: At least 1. Default: one more than the last.
        weights: How to store them. The network computes in float32 with each.

    Returns:
        The version's folder.

    Raises:
        UserError: There is such a version, or tensorflow-text is not installed; a
            translator that is no single network in TensorFlow.
    """
    if not getattr(translator, "has_gates", False):
        raise UserError(
            "a SavedModel is made of a translator of one run folder, such as "
            f"Translator.load gives. Received: {type(translator).__name__}."
        )
    model_dir = Path(out_dir) / translator.name
    if Path(out_dir).is_file():
        raise UserError(f"{out_dir} is a file. Choose a folder.")
    version = version or max(saved_versions(model_dir), default=0) + 1
    path = model_dir / str(version)
    if path.exists():
        raise UserError(
            f"{path} exists, and a version never changes. Choose another --version, "
            "or leave it out."
        )
    temporary = model_dir / f".{version}.part"
    shutil.rmtree(temporary, ignore_errors=True)
    is_new = not model_dir.exists()
    try:
        make_folder(model_dir)  # before the work, which takes half a minute
        module = ServingModule(translator, weights)
        tf.saved_model.save(
            module,
            str(temporary),
            signatures=module.signatures,
            # The gradients of our layers are for training.
            options=tf.saved_model.SaveOptions(experimental_custom_gradients=False),
        )
        _write_facts(translator, temporary / _FACTS_NAME)
        _write_warm_up(translator.name, temporary / _WARM_UP_NAME)
        temporary.rename(path)
    except tf.errors.OpError as error:
        raise RefusedWriteError(f"cannot write {path}: {error.message}.") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if is_new and not path.exists():
            shutil.rmtree(model_dir, ignore_errors=True)
    return path


def _write_warm_up(name: str, path: Path) -> None:
    """Writes what TensorFlow Serving asks a model before it gives it to clients.

    Records of `tensorflow.serving.PredictionLog` (prediction_log.proto), encoded by
    hand: the package of these messages holds nothing else that we need.
    """
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature in ("serving_default", _NBEST, "translate_with_attention"):
            tensor = tf.make_tensor_proto(list(_WARM_UP_TEXTS)).SerializeToString()
            model_spec = _message({1: name.encode(), 3: signature.encode()})
            text = _message({1: b"text", 2: tensor})  # an entry of the map of inputs
            request = _message({1: model_spec, 2: text})
            writer.write(_message({6: _message({1: request})}))


def _message(fields: dict[int, bytes]) -> bytes:
    """Encodes a protocol buffer whose fields, by number, are strings or messages."""
    parts = []
    for number, value in fields.items():
        length, size = bytearray(), len(value)
        while size > 0x7F:
            length.append(size & 0x7F | 0x80)
            size >>= 7
        length.append(size)
        parts.append(bytes([number << 3 | 2]) + length + value)
    return b"".join(parts)


def _write_facts(translator: Translator, path: Path) -> None:
    facts = {
        "name": translator.name,
        "capital_rule": translator.capital_rule.to_json(),
        "max_sentence_characters": translator.max_sentence_characters,
        "source_language": translator.source_language,
        "target_language": translator.target_language,
        "search": translator.search.model_dump(),
        "card": translator.card,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    translator.tokenizer.save(path.with_name(TOKENIZER_NAME))
    write_json(path, facts)


class SavedModelTranslator(TextTranslator):
    """Translates texts with a SavedModel, behind the interface of `Translator`.

    The search options are those it was exported with.
    """

    is_search_fixed = True

    def __init__(self, saved_model, tokenizer: Tokenizer, facts: dict):
        super().__init__(
            facts["name"],
            facts["source_language"],
            facts["target_language"],
            SearchConfig(**facts["search"]),
            tokenizer,
            CapitalRule.from_json(facts["capital_rule"]),
            facts.get("max_sentence_characters", MAX_SENTENCE_CHARACTERS),
        )
        self.card = facts["card"]
        # Held, as its variables live as long as it does.
        self._saved_model = saved_model
        self._signature = saved_model.signatures[_NBEST]

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Loads what `export_saved_model` wrote.

        Raises:
            UserError: No such SavedModel, a damaged one, or no tensorflow-text.
        """
        path = Path(path)
        _import_tensorflow_text()
        try:
            facts = json.loads((path / _FACTS_NAME).read_text("utf-8"))
            languages = ("source_language", "target_language")
            DataConfig(**{name: facts[name] for name in languages})  # codes, no paths
            with silent_stderr():
                saved_model = tf.saved_model.load(str(path))
            tokenizer = Tokenizer.load(path / _FACTS_NAME.with_name(TOKENIZER_NAME))
            translator = cls(saved_model, tokenizer, facts)
            translator.folder = path
            return translator
        except _LOAD_ERRORS as error:
            first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise UserError(
                f"{path} cannot be loaded as a SavedModel of `translator export`: "
                f"{first_line}."
            ) from None

    def search_sentences(
        self,
        sentences: Sequence[str],
        search: SearchConfig | None = None,
        num_hypotheses: int = 1,
    ) -> list[SentenceTranslation]:
        """Translates sentences as they are: see `Translator.search_sentences`.

        Raises:
            UserError: Other search options than those it was exported with.
        """
        if search not in (None, self.search):
            raise UserError(
                "the search options of a SavedModel are fixed when it is exported, "
                f"here to {self.search}. Received: {search}. Export it again with "
                "others, or load the run folder."
            )
        self.check_num_hypotheses(num_hypotheses, self.search)
        results = [blank_translation(sentence) for sentence in sentences]
        # By length, so that there is little padding.
        order = sorted(range(len(sentences)), key=lambda i: len(sentences[i]))
        for start in range(0, len(order), _BATCH_SIZE):
            indices = order[start : start + _BATCH_SIZE]
            # A lone surrogate in a string would stop TensorFlow.
            batch = [normalize_text(sentences[index]) for index in indices]
            outputs = self._signature(text=tf.constant(batch))
            outputs = {name: value.numpy() for name, value in outputs.items()}
            for row, index in enumerate(indices):
                results[index] = _sentence_translation(
                    sentences[index], outputs, row, num_hypotheses
                )
        return results


def _sentence_translation(
    sentence: str, outputs: dict, row: int, num_hypotheses: int
) -> SentenceTranslation:
    """Picks one row out of the batch's outputs, without its padding."""
    source_tokens = _real_tokens(outputs["source_tokens"][row])
    if len(source_tokens) == 1:  # EOS alone
        return blank_translation(sentence)
    hypotheses = []
    for rank in range(num_hypotheses):
        tokens = _real_tokens(outputs["tokens"][row, rank])
        weights = outputs["attention_weights"][row, rank]
        hypotheses.append(
            Hypothesis(
                text=outputs["translations"][row, rank].decode(),
                score=float(outputs["scores"][row, rank]),
                log_prob=float(outputs["log_probs"][row, rank]),
                tokens=tokens,
                attention_weights=weights[: len(tokens), : len(source_tokens)],
                is_finished=bool(outputs["is_finished"][row, rank]),
                token_log_probs=outputs["token_log_probs"][row, rank, : len(tokens)],
            )
        )
    return SentenceTranslation(sentence, source_tokens, hypotheses)


def _real_tokens(tokens) -> list[str]:
    return [token.decode() for token in tokens if token]
