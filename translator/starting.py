"""Training that starts from another model: its form, its subwords, its weights.

A network that has learned a language from many sentences needs few of another kind to
learn these, too.

Source: Luong and Manning 2015, "Stanford neural machine translation systems for spoken
language domains": first all there is, then the texts that matter.
"""

from collections import defaultdict
from pathlib import Path

from translator.checkpoints import load_run_config
from translator.config import Config, SearchConfig, option_fields
from translator.corpus.origins import UNKNOWN_LANGUAGE, find_origin
from translator.errors import UserError

# Of [data], what is the model's: how texts are cut and altered.
_DATA_OPTIONS = (
    "vocabulary_size",
    "subword_sampling",
    "augmentation",
    "placeholders",
)
# Of [model], what is not its form and may be another now.
_FREE_OPTIONS = ("dropout", "recurrent_dropout")
# What a command must tell that starts from a model, or the model's would be taken.
TOLD_OPTIONS = {*_DATA_OPTIONS, *_FREE_OPTIONS, *SearchConfig.model_fields}
TOLD_OPTIONS -= {"vocabulary_size"}  # which cannot be another


def inherit_options(config: Config) -> Config:
    """Returns the options, with those of the model to start from where none is given.

    Options of the data and of the training stay, but for how texts are cut and altered.
    Without a model to start from, all stay.

    Raises:
        UserError: There is no such model, it has other languages, or it cannot have an
            option that is given.
    """
    path = config.training.start_from
    if not path:
        return config
    start, _ = load_run_config(Path(path))
    _check_languages(config, start)
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
        if ours != theirs and (is_form or name == "vocabulary_size"):
            raise UserError(
                f"{name} is {theirs!r} in {path}, which the training starts from. "
                f"Received: {ours!r}. Leave it out, or start from another model."
            )
    sections = {
        section: getattr(config, section).model_copy(update=values)
        for section, values in changes.items()
    }
    config = config.model_copy(update=sections)
    if config.data.placeholders and not start.data.placeholders:
        raise UserError(
            f"the vocabulary of {path}, which the training starts from, has no "
            "placeholders. Leave --placeholders out, or start from another model."
        )
    return config


def is_reversed(config: Config, start: Config) -> bool:
    """Whether a training learns the way back of the model that it starts from."""
    ours, theirs = _languages(config), _languages(start)
    return ours != theirs and ours == theirs[::-1]


def _check_languages(config: Config, start: Config) -> None:
    """Raises a UserError unless a model has the languages of the training, either way.

    Its subwords would cut other languages into letters, and its weights have nothing to
    give them: with subwords of their own, such trainings were no better than new ones.
    """
    ours, theirs = _languages(config), _languages(start)
    if set(ours) != set(theirs) and UNKNOWN_LANGUAGE not in (*ours, *theirs):
        raise UserError(
            f"{config.training.start_from} translates {theirs[0]} to {theirs[1]}. "
            f"Received: a corpus of {ours[0]} and {ours[1]}. Start from a model of "
            "these languages, or leave --start-from out."
        )


def _languages(config: Config) -> tuple[str, str]:
    """The languages, source first: those that are told, else those of the corpus."""
    told = (config.data.source_language, config.data.target_language)
    if all(told) or not config.data.corpus:
        return tuple(language or UNKNOWN_LANGUAGE for language in told)
    return tuple(find_origin(config.data).info["languages"])
