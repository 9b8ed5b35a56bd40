"""Training that starts from another model: its form, its subwords, its weights.

A network that has learned a language from many sentences needs few of another kind to
learn these, too. So does one that has learned other languages: what a sentence is, how
attention finds its words, and often one of the two sides.

Sources: Luong and Manning 2015, "Stanford neural machine translation systems for spoken
language domains": first all there is, then the texts that matter. Zoph et al. 2016,
"Transfer learning for low-resource neural machine translation", and Kocmi and Bojar
2018, "Trivial transfer learning for low-resource neural machine translation", for
another pair of languages. Nguyen and Chiang 2017, "Transfer learning across
low-resource, related languages": subwords that both know keep their vectors.
"""

from collections import defaultdict
from pathlib import Path

import numpy as np

from translator.checkpoints import (
    BEST_NAME,
    DATA_NAME,
    TOKENIZER_NAME,
    assign_arrays,
    load_arrays,
    load_run_config,
)
from translator.config import Config, SearchConfig, option_fields
from translator.corpus import CorpusSets, PairFile
from translator.corpus.keeping import TRAIN_NAME
from translator.corpus.origins import find_origin
from translator.corpus.splitting import sentence_key
from translator.errors import UserError
from translator.languages import UNKNOWN_LANGUAGE
from translator.tokenizer import Tokenizer

# Of [data], what is the model's: how texts are cut and altered.
_DATA_OPTIONS = (
    "vocabulary_size",
    "subword_sampling",
    "augmentation",
    "placeholders",
)
# Of [model], what is not its form and may be another now.
_FREE_OPTIONS = ("dropout", "recurrent_dropout")
# What a model card's command must always spell out, as it would else be inherited from
# the model that the training starts from.
TOLD_OPTIONS = {*_DATA_OPTIONS, *_FREE_OPTIONS, *SearchConfig.model_fields}


def inherit_options(config: Config) -> Config:
    """Returns the options, with those of the model to start from where none is given.

    Options of the data and of the training stay, but for how texts are cut and altered.
    Without a model to start from, all stay.

    Raises:
        UserError: There is no such model, or it cannot have an option that is given.
    """
    path = config.training.start_from
    if not path:
        return config
    start, _ = load_run_config(Path(path))
    is_same = keeps_subwords(config, start)
    changes = defaultdict(dict)
    for name, (section, _) in option_fields().items():
        is_data = section == "data"
        if section == "training" or (is_data and name not in _DATA_OPTIONS):
            continue
        ours, theirs = (getattr(getattr(c, section), name) for c in (config, start))
        if name not in getattr(config, section).model_fields_set:
            changes[section][name] = theirs
            continue
        is_form = section == "model" and name not in _FREE_OPTIONS
        is_fixed = is_form or (is_same and name == "vocabulary_size")
        if ours != theirs and is_fixed:
            raise UserError(
                f"{name} is {theirs!r} in {path}, which the training starts from. "
                f"Received: {ours!r}. Leave it out, or the preset that sets it, or "
                "start from another model."
            )
    sections = {
        section: getattr(config, section).model_copy(update=values)
        for section, values in changes.items()
    }
    config = config.model_copy(update=sections)
    if is_same and config.data.placeholders and not start.data.placeholders:
        raise UserError(
            f"the vocabulary of {path}, which the training starts from, has no "
            "placeholders. Leave --placeholders out, or start from another model."
        )
    return config


def keeps_subwords(config: Config, start: Config) -> bool:
    """Whether a training keeps the subwords of the model that it starts from: if the
    languages are the same, in either direction, or not known."""
    ours, theirs = _languages(config), _languages(start)
    return set(ours) == set(theirs) or UNKNOWN_LANGUAGE in (*ours, *theirs)


def is_reversed(config: Config, start: Config) -> bool:
    """Whether a training learns the way back of the model that it starts from."""
    ours, theirs = _languages(config), _languages(start)
    return ours != theirs and ours == theirs[::-1]


def count_trained_before(
    sets: CorpusSets, run_dir: Path, swaps: bool
) -> dict[str, int]:
    """Returns how many sentences of each held-out set a model was trained on.

    Args:
        sets: Of a training that starts from it.
        run_dir: Its folder. One without its pairs, as it was packed, tells of none.
        swaps: Whether it translates the other way.

    Returns:
        Name of a set -> number, where there are any.
    """
    path = run_dir / DATA_NAME / TRAIN_NAME
    if not path.exists():
        return {}
    held_out = {"dev": sets.dev, **sets.tests}
    wanted = {
        name: {sentence_key(pair.source) for pair in pairs}
        for name, pairs in held_out.items()
    }
    wanted_keys = set().union(*wanted.values())
    sources = (pair.target if swaps else pair.source for pair in PairFile(path))
    known = wanted_keys.intersection(map(sentence_key, sources))
    return {name: len(keys & known) for name, keys in wanted.items() if keys & known}


def start_weights(model, tokenizer: Tokenizer, run_dir: Path) -> int:
    """Gives a network the weights of a trained one of the same form.

    Where the subwords are others, those that both know keep their vector and their
    output bias; the rest of the embeddings stay as they are.

    Args:
        model: The network, a `Seq2Seq`.
        tokenizer: Its subwords.
        run_dir: Folder of the trained model.

    Returns:
        The number of subwords that the trained model knew.

    Raises:
        UserError: The weights cannot be read, or are of another form.
    """
    path = run_dir / BEST_NAME
    arrays, known = load_arrays(path), Tokenizer.load(run_dir / TOKENIZER_NAME)
    their_rows = {token: row for row, token in enumerate(known.vocabulary)}
    rows = [row for row, t in enumerate(tokenizer.vocabulary) if t in their_rows]
    known_rows = [their_rows[tokenizer.vocabulary[row]] for row in rows]
    for variable in model.vocabulary_weights:
        values = np.asarray(variable.value).copy()
        found = arrays.get(variable.path, values[:0])
        if found.shape == (known.vocabulary_size, *values.shape[1:]):
            values[rows] = found[known_rows]
            arrays[variable.path] = values
    assign_arrays(model.weights, arrays, path)
    return len(rows)


def _languages(config: Config) -> tuple[str, str]:
    """The languages, source first: those that are told, else those of the corpus."""
    told = (config.data.source_language, config.data.target_language)
    if all(told) or not config.data.corpus:
        return tuple(language or UNKNOWN_LANGUAGE for language in told)
    return tuple(find_origin(config.data).info["languages"])
