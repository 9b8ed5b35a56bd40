"""What a run begins with: a device, pairs, subwords, a network, all options."""

from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from rich.console import Console

from translator.checkpoints import (
    CONFIG_NAME,
    DATA_NAME,
    TOKENIZER_NAME,
    load_run_config,
)
from translator.config import Config, TrainingConfig, save_config, with_options
from translator.corpus import CorpusInfo, PreparedCorpus, prepare_corpus
from translator.corpus.origins import find_origin
from translator.corpus.preparing import load_kept_corpus
from translator.errors import UserError
from translator.inference import Translator
from translator.model import Seq2Seq, build_model
from translator.placeholders import (
    NO_NAMES,
    PLACEHOLDERS,
    CapitalRule,
    find_capital_rule,
)
from translator.reporting import keep_history
from translator.starting import (
    count_trained_before,
    inherit_options,
    is_reversed,
    keeps_subwords,
    start_weights,
)
from translator.startup import count_cores, keep_memory, set_threads
from translator.subword_translator import load_parts
from translator.text import MAX_SENTENCE_CHARACTERS
from translator.tokenizer import Tokenizer

# Development pairs: of fewer, BLEU has an interval of some ten points.
_FEWEST_DEV = 100
# Target tokens in a part of a batch: fewer make the matrix products slow.
_PART_TOKENS = 1_000
# Training pairs whose lengths are looked at.
_NUM_MEASURED = 20_000


def find_strategy(
    console: Console, batch_tokens: int
) -> tuple[tf.distribute.Strategy, int]:
    """Chooses where to train, and says so: all GPUs there are, or the CPU.

    Returns:
        The strategy, and the number of parts for `TrainStep`.
    """
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        with suppress(RuntimeError):  # it was used before, and is as it was set up then
            tf.config.experimental.set_memory_growth(gpu, True)
    if not gpus:
        num_cores = count_cores()
        num_parts = max(1, min(num_cores, batch_tokens // _PART_TOKENS))
        set_threads(num_parts, num_cores // num_parts)
        keep_memory()
        console.print(
            f"Training on the CPU: {num_cores} cores, batches in {num_parts} parts"
        )
        return tf.distribute.get_strategy(), num_parts
    names = [tf.config.experimental.get_device_details(g)["device_name"] for g in gpus]
    console.print(f"Training on {len(gpus)} GPU: {', '.join(names)}")
    if len(gpus) == 1:
        return tf.distribute.get_strategy(), 1
    return tf.distribute.MirroredStrategy(), 1


@dataclass(frozen=True)
class PreparedRun:
    """A run whose training may begin, or go on.

    Attributes:
        config: All options, with what the corpus tells.
        corpus: Training and development pairs.
        translator: Of the network to train.
        origins: The corpora of the models that it started from, the newest first.
        trained_before: Held-out set -> how many of its sentences these were trained on,
            where there are any.
    """

    config: Config
    corpus: PreparedCorpus
    translator: Translator
    origins: list[CorpusInfo] = field(default_factory=list)
    trained_before: dict[str, int] = field(default_factory=dict)

    def save(self, run_dir: Path) -> None:
        """Writes the options, and facts that the model is loaded with."""
        tokenizer = self.translator.tokenizer
        save_config(
            self.config,
            run_dir / CONFIG_NAME,
            version=version("translator"),
            tokenizer_sha256=tokenizer.checksum,
            vocabulary_size=tokenizer.vocabulary_size,
            corpus_info=self.corpus.info,
            origins=self.origins,
            trained_before=self.trained_before,
            capital_rule=self.translator.capital_rule.to_json(),
            max_sentence_characters=self.translator.max_sentence_characters,
        )


def prepare_run(
    config: Config,
    run_dir: Path,
    strategy: tf.distribute.Strategy,
    console: Console,
    *,
    resume: bool = False,
) -> PreparedRun:
    """Prepares data and subwords in the run folder, and makes the network.

    Args:
        config: The options.
        run_dir: The run folder; when resuming, as a run left it.
        strategy: In whose scope the network is made.
        console: Where progress is shown.
        resume: Whether a run goes on.

    Raises:
        UserError: Bad data or options, or another corpus than before.
    """
    if resume:
        run = _going_on(config, run_dir, strategy, console)
    elif config.training.start_from:
        run = _starting_from_another(config, run_dir, strategy, console)
    else:
        run = _new(config, run_dir, strategy, console)
    translator = run.translator
    console.print(
        f"{translator.model.count_params():,} parameters, "
        f"{translator.tokenizer.vocabulary_size:,} subwords, products in "
        f"{keras.config.dtype_policy().compute_dtype}; at most "
        f"{_length_of(run.config.training)}",
        highlight=False,
    )
    return run


def _new(
    config: Config, run_dir: Path, strategy: tf.distribute.Strategy, console: Console
) -> PreparedRun:
    """Begins with nothing but the corpus."""
    config, corpus = _prepare(config, run_dir, console)
    tokenizer = _train_tokenizer(config, corpus, console)
    tokenizer.save(run_dir / TOKENIZER_NAME)
    translator = Translator(
        _make_network(config, tokenizer, strategy),
        tokenizer,
        config,
        capital_rule=_capital_rule(config, corpus, tokenizer),
        max_sentence_characters=_longest_sentence(corpus),
    )
    return PreparedRun(config, corpus, translator)


def _starting_from_another(
    config: Config, run_dir: Path, strategy: tf.distribute.Strategy, console: Console
) -> PreparedRun:
    """Begins with the weights of another model, and its subwords if they will do."""
    start = Path(config.training.start_from)
    before, facts = load_run_config(start)
    config, corpus = _prepare(inherit_options(config), run_dir, console)
    keeps_words, swaps = keeps_subwords(config, before), is_reversed(config, before)
    if keeps_words:
        tokenizer = Tokenizer.load(start / TOKENIZER_NAME)
    else:
        tokenizer = _train_tokenizer(config, corpus, console)
    tokenizer.save(run_dir / TOKENIZER_NAME)
    model = _make_network(config, tokenizer, strategy)
    num_known = start_weights(model, tokenizer, start)
    rule, longest = _capital_rule(config, corpus, tokenizer), _longest_sentence(corpus)
    trained_before = {}
    if keeps_words:
        trained_before = count_trained_before(corpus, start, swaps)
    if keeps_words and not swaps:  # it translates what it did before, too
        keep_history(start, run_dir)
        longest = max(longest, facts.get("max_sentence_characters", 0))
        if config.data.placeholders and "capital_rule" in facts:
            rule = _join_rules(CapitalRule.from_json(facts["capital_rule"]), rule)
    _tell_start(start, num_known, tokenizer, trained_before, console)
    translator = Translator(
        model, tokenizer, config, capital_rule=rule, max_sentence_characters=longest
    )
    origins = [facts["corpus_info"], *facts.get("origins", [])]
    return PreparedRun(config, corpus, translator, origins, trained_before)


def _going_on(
    config: Config, run_dir: Path, strategy: tf.distribute.Strategy, console: Console
) -> PreparedRun:
    """Takes a run up as it was left; its weights are those of its checkpoint."""
    _, facts = load_run_config(run_dir)
    corpus = _find_kept(config, run_dir, facts["corpus_info"], console)
    if corpus:
        config = _resolve(config, corpus)
    else:
        config, corpus = _prepare(config, run_dir, console)
    parts = load_parts(run_dir)
    translator = Translator(
        _make_network(config, parts.tokenizer, strategy),
        parts.tokenizer,
        config,
        capital_rule=parts.capital_rule,
        max_sentence_characters=parts.max_sentence_characters,
    )
    origins, trained_before = facts.get("origins", []), facts.get("trained_before", {})
    return PreparedRun(config, corpus, translator, origins, trained_before)


def _make_network(
    config: Config, tokenizer: Tokenizer, strategy: tf.distribute.Strategy
) -> Seq2Seq:
    with strategy.scope():
        return build_model(config.model, tokenizer.vocabulary_size)


def _tell_start(
    start: Path,
    num_known: int,
    tokenizer: Tokenizer,
    trained_before: dict[str, int],
    console: Console,
) -> None:
    """Says what the user of a model to start from should know."""
    if num_known < tokenizer.vocabulary_size:
        console.print(
            f"{start} translates other languages: new subwords, {num_known:,} of them "
            "known to it",
            markup=False,
            highlight=False,
        )
    if trained_before:
        sets = ", ".join(
            f"{count:,} of {name}" for name, count in trained_before.items()
        )
        console.print(
            f"{start} was trained on held-out sentences ({sets}): scores will be too "
            "high. Give others with --dev-corpus, and to `evaluate`.",
            markup=False,
            highlight=False,
        )


def _length_of(config: TrainingConfig) -> str:
    """How long a run may take, such as `17 epochs or 60 minutes`."""
    limits = {"epochs": config.epochs, "minutes": config.max_minutes}
    return " or ".join(f"{limit:g} {unit}" for unit, limit in limits.items() if limit)


def _find_kept(
    config: Config, run_dir: Path, info: CorpusInfo, console: Console
) -> PreparedCorpus | None:
    """Returns the pairs in the folder of a run that goes on, if those that they were
    made of are gone; None if they are there.

    Raises:
        UserError: They are gone, and the pairs, too; or they are not as they were: the
            development set would be another, and may have been trained on.
    """
    try:
        files = find_origin(config.data).info["files"]
    except UserError:
        kept = load_kept_corpus(run_dir / DATA_NAME)
        if not kept:
            raise
        console.print(
            f"The corpus is no longer where it was: going on with the pairs in "
            f"{run_dir / DATA_NAME}",
            markup=False,
            highlight=False,
        )
        return kept
    for name, known in info["files"].items():
        if files.get(name) != known:
            raise UserError(
                f"{name} has changed since the training began. Put the old file back, "
                "or start a new run."
            )
    return None


def _prepare(
    config: Config, run_dir: Path, console: Console
) -> tuple[Config, PreparedCorpus]:
    """Prepares the corpus in the run folder, and says what became of it.

    Returns:
        The options, with what the corpus tells; and the corpus.
    """
    with console.status("Reading the corpus") as status:
        corpus = prepare_corpus(
            config.data,
            directory=run_dir / DATA_NAME,
            progress=lambda count: status.update(f"Reading the corpus: {count:,}"),
        )
    console.print(
        f"{corpus.info['name']}: {len(corpus.train):,} training pairs, "
        f"{len(corpus.dev):,} development pairs",
        markup=False,
        highlight=False,
    )
    if corpus.report.dropped:
        console.print(
            f"Of {corpus.report.read:,} pairs {corpus.report.summary} (`translator "
            "data check` shows some)",
            highlight=False,
        )
    if len(corpus.dev) < _FEWEST_DEV:
        console.print(
            f"Scores on {len(corpus.dev)} development pairs are uncertain by several "
            "points. Give more with --dev-corpus.",
            highlight=False,
        )
    return _resolve(config, corpus), corpus


def _resolve(config: Config, corpus: PreparedCorpus) -> Config:
    """Returns the options with what the corpus tells: languages, and the epochs."""
    source_language, target_language = corpus.info["languages"]
    config = with_options(
        config,
        "data",
        source_language=source_language,
        target_language=target_language,
    )
    if config.training.epochs or config.training.max_minutes:
        return config
    epochs = _choose_epochs(len(corpus.train))
    return with_options(config, "training", epochs=epochs)


def _choose_epochs(num_pairs: int) -> int:
    """Returns passes over the pairs: two million pairs in all, within bounds.

    Of Tatoeba's short pairs they took the base preset 93 minutes of one busy core.
    """
    return min(100, max(5, round(2_000_000 / num_pairs)))


def _train_tokenizer(
    config: Config, corpus: PreparedCorpus, console: Console
) -> Tokenizer:
    with console.status("Finding subwords"):
        return Tokenizer.train(
            (text for pair in corpus.train for text in pair),
            config.data.vocabulary_size,
            placeholders=PLACEHOLDERS if config.data.placeholders else "",
        )


def _capital_rule(
    config: Config, corpus: PreparedCorpus, tokenizer: Tokenizer
) -> CapitalRule:
    """Returns that of the corpus. A model that copies nothing knows of no names."""
    rule = find_capital_rule(corpus.train, tokenizer.is_cut)
    return rule if config.data.placeholders else NO_NAMES._replace(folds=rule.folds)


def _longest_sentence(corpus: PreparedCorpus) -> int:
    """Returns how many characters a sentence may have to be translated whole: as many
    as 99 of 100 that training sees, or those that any model bears."""
    lengths = [len(pair.source) for pair in corpus.train.sample(_NUM_MEASURED)]
    return max(MAX_SENTENCE_CHARACTERS, round(np.percentile(lengths, 99)))


def _join_rules(before: CapitalRule, rule: CapitalRule) -> CapitalRule:
    """Returns the rule that a model has, with the words that it learns now."""
    return before._replace(
        known_words=before.known_words | rule.known_words,
        folds=before.folds and rule.folds,
    )
