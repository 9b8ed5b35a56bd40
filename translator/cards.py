"""The model card of a run: what it is, how good, of what, under which licence."""

import json
import shlex
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from translator.checkpoints import (
    CARD_NAME,
    CURVES_NAME,
    EVALUATION_DIR,
    load_run_config,
)
from translator.config import (
    DEFAULT_PRESET,
    PRESETS,
    Config,
    make_config,
    option_fields,
)
from translator.corpus.registry import find_corpus
from translator.disk import write_text
from translator.errors import UserError
from translator.languages import language_name
from translator.reporting import HISTORY_NAME, read_metrics
from translator.robustness import COLUMNS, LONGEST_ANSWER, load_robustness
from translator.starting import TOLD_OPTIONS

_LANGUAGES = ("source_language", "target_language")
_MEANING_OF_INTACT = (
    "Intact: what must not be translated is there, once; the answer to a single word "
    f"has at most {LONGEST_ANSWER} words."
)


def write_card(run_dir: Path) -> None:
    """Writes the card from what the run folder holds; again after an evaluation."""
    config, facts = load_run_config(run_dir)
    sections = (
        _front_matter(config, facts["corpus_info"]),
        _summary(config, facts),
        _scores(run_dir, facts.get("trained_before", {})),
        _robustness(run_dir),
        _training(run_dir, config, facts),
        _corpora(
            [facts["corpus_info"], *facts.get("origins", [])], config.data.extra_corpus
        ),
        _use(run_dir.resolve().name, config.data.source_language),
    )
    write_text(run_dir / CARD_NAME, "\n\n".join(filter(None, sections)) + "\n")


def train_command(config: Config) -> str:
    """Returns the shortest command that trains with these options.

    Example:
        >>> train_command(make_config("tiny", options={"corpus": ["numbers-en-es"]}))
        'translator train --preset tiny --corpus numbers-en-es'
    """
    commands = []
    for preset in PRESETS:
        words = [] if preset == DEFAULT_PRESET else ["--preset", preset]
        others = make_config(preset)
        for name, (section, field) in option_fields().items():
            value, other = (
                getattr(getattr(c, section), name) for c in (config, others)
            )
            is_told = config.training.start_from and name in TOLD_OPTIONS
            if value == other and not is_told:
                continue
            if name in _LANGUAGES and _are_known(config):
                continue
            flag = "--" + name.replace("_", "-")
            if field.annotation is bool:
                words.append(flag if value else f"--no-{flag[2:]}")
            else:
                values = value if isinstance(value, tuple) else [value]
                for own in values:
                    is_whole = isinstance(own, float) and own.is_integer()
                    words += flag, str(int(own) if is_whole else own)
        commands.append(["translator", "train", *words])
    return shlex.join(min(commands, key=len))


def _are_known(config: Config) -> bool:
    """Whether the name of the corpus tells the languages."""
    data = config.data
    try:
        _, languages = find_corpus(data.corpus[0])
    except (IndexError, UserError):  # none, or a file
        return False
    return languages == (data.source_language, data.target_language)


def _front_matter(config: Config, corpus: dict[str, Any]) -> str:
    """The fields that model hubs read, YAML. A JSON string is one of YAML, too."""
    source, target, name = (
        json.dumps(value, ensure_ascii=False)
        for value in (
            config.data.source_language,
            config.data.target_language,  # "no", Norwegian, would be false
            corpus["name"],
        )
    )
    return (
        f"---\nlanguage:\n- {source}\n- {target}\n"
        f"pipeline_tag: translation\nlibrary_name: keras\n"
        f"datasets:\n- {name}\nmetrics:\n- bleu\n- chrf\n---"
    )


def _summary(config: Config, facts: dict[str, Any]) -> str:
    source = language_name(config.data.source_language)
    target = language_name(config.data.target_language)
    model = config.model
    encoder = _count(model.num_encoder_layers, "bidirectional GRU encoder layer")
    decoder = _count(model.num_decoder_layers, "GRU decoder layer")
    return (
        f"# {source} to {target}\n\n"
        f"A recurrent translation network: {encoder} of {model.encoder_units} units a "
        f"side, {decoder} of {model.decoder_units} "
        f"({model.wiring} wiring, {model.attention} attention), "
        f"{facts['vocabulary_size']:,} subwords."
    )


def _scores(run_dir: Path, trained_before: dict[str, int]) -> str:
    """Scores of `translator evaluate`, if there are any."""
    rows, notes = [], []
    for path in sorted((run_dir / EVALUATION_DIR).glob("*/report.json")):
        report = json.loads(path.read_text("utf-8"))
        if count := trained_before.get(path.parent.name):
            notes.append(
                f"Of `{path.parent.name}`, {_count(count, 'sentence')} had been in the "
                "training of the model that this one started from, so its scores are "
                "too high."
            )
        for metric, name in (("bleu", "BLEU"), ("chrf", "chrF")):
            score = report["scores"][metric]
            signature = score["signature"].replace("|", "\\|")  # or it ends the cell
            rows.append(
                f"| {path.parent.name} | {name} | {score['score']:.1f} "
                f"({score['low']:.1f} to {score['high']:.1f}) | `{signature}` |"
            )
    if not rows:
        return ""
    header = [
        "| set | metric | score (95% interval) | sacreBLEU signature |",
        "| --- | --- | --- | --- |",
    ]
    return "\n\n".join(["## Scores", "\n".join([*header, *rows]), *notes])


def _robustness(run_dir: Path) -> str:
    """What altered input costs, if `translator evaluate --robustness` was run."""
    tables = []
    for directory in sorted((run_dir / EVALUATION_DIR).glob("*")):
        if rows := load_robustness(directory):
            table = [COLUMNS, ["---"] * len(COLUMNS), *(row.cells() for row in rows)]
            lines = [f"| {' | '.join(cells)} |" for cells in table]
            tables += [f"Altered copies of `{directory.name}`:", "\n".join(lines)]
    if not tables:
        return ""
    return "\n\n".join(["## Robustness", *tables, _MEANING_OF_INTACT])


def _training(run_dir: Path, config: Config, facts: dict[str, Any]) -> str:
    validations = [r for r in read_metrics(run_dir) if r["kind"] == "validation"]
    lines = ["## Training", ""]
    if validations:
        last = validations[-1]
        select_by = config.training.select_by
        sign = -1 if select_by == "loss" else 1
        best = max(validations, key=lambda own: (sign * own[select_by], -own["loss"]))
        minutes = max(1, round(last["minutes"]))
        lines += [
            f"{_count(last['step'], 'step')} in {_count(minutes, 'minute')}, "
            "validations included. Development BLEU (greedy) of the weights that were "
            f"kept: {best['bleu']:.1f}, chrF {best['chrf']:.1f}, at step "
            f"{best['step']:,}.",
            "",
        ]
    lines += ["```sh", train_command(config), "```", ""]
    if (run_dir / CURVES_NAME).exists():
        lines += [f"![Loss and scores over the training]({CURVES_NAME})", ""]
        if (run_dir / HISTORY_NAME).exists():
            lines += ["A dotted line of the curves: another training began.", ""]
    lines.append(f"Made with translator {facts['version']}.")
    return "\n".join(lines)


def _corpora(corpora: list[dict[str, Any]], extra: Sequence[str]) -> str:
    """The corpora of the training, and of those that it started from.

    Args:
        corpora: What each was, the newest first.
        extra: Files of further pairs, beside the newest.
    """
    paragraphs = ["## Data"]
    for corpus, verb in zip_longest(corpora, ["Trained on"], fillvalue="Before, on"):
        lines = [f"{verb} `{corpus['name']}`."]
        if corpus.get("release"):
            lines.append(f"Release: {corpus['release']}.")
        if corpus.get("attribution"):
            lines.append(f"Attribution: {corpus['attribution']}.")
        if corpus.get("licence"):
            lines.append(f"Licence of the data: {corpus['licence']}.")
        if corpus is corpora[0]:
            lines += [f"Further pairs, all for training: `{name}`." for name in extra]
        paragraphs.append("\n".join(lines))
    return "\n\n".join(
        dict.fromkeys(paragraphs)
    )  # trainings on one corpus say the same


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _use(name: str, source_language: str) -> str:
    sentence = "Where is the station?" if source_language == "en" else "..."
    return (
        "## Use\n\n```sh\n"
        f'echo "{sentence}" | translator translate {name}\n```\n\n'
        "It translates sentences like those it was trained on; outside of them, and on "
        "names and rare words, expect errors. Do not use it where an error does harm."
    )
