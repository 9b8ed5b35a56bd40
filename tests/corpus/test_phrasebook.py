"""The everyday phrases in `data/phrasebook`, in four languages."""

from pathlib import Path

import pytest

from translator.config import DataConfig
from translator.corpus import prepare_corpus

FOLDER = Path(__file__).parents[2] / "data" / "phrasebook"
PAIRS = {
    path.stem.removeprefix("en-"): [
        tuple(line.split("\t")) for line in path.read_text("utf-8").splitlines()
    ]
    for path in sorted(FOLDER.glob("en-*.tsv"))
}
by_language = pytest.mark.parametrize("language", PAIRS)


def test_the_languages_have_the_same_phrases():
    """Catches: a line that slipped in one file, an English phrase told twice."""
    assert set(PAIRS) == {"de", "es", "fr"}
    phrases = {tuple(english for english, _ in pairs) for pairs in PAIRS.values()}
    assert len(phrases) == 1
    [english] = phrases
    assert len(set(english)) == len(english) > 200


@by_language
def test_marks_are_those_of_the_language(language):
    """Catches: a phrase in the wrong place, a question that ends in a full stop."""
    for english, target in PAIRS[language]:
        mark = english[-1] if english[-1] in ".!?" else ""
        assert target[-1:] == mark or not mark and target[-1].isalpha(), english
        assert (language == "es" and mark == "!") == ("¡" in target), english
        assert (language == "es" and mark == "?") == ("¿" in target), english
        spaced = language == "fr" and mark in ("!", "?")
        assert spaced == target.endswith((" !", " ?")), english


@by_language
def test_training_takes_every_phrase(language, tmp_path):
    """Catches: a phrase that cleaning drops, so that nobody learns it."""
    corpus = tmp_path / "pairs.tsv"
    corpus.write_text(
        "".join(f"The number {n} stays.\tNúmero {n}.\n" for n in range(300)),
        "utf-8",
    )
    phrases = FOLDER / f"en-{language}.tsv"
    config = DataConfig(
        corpus=(str(corpus),),
        extra_corpus=(str(phrases),),
        source_language="en",
        target_language=language,
    )
    trained = {tuple(pair) for pair in prepare_corpus(config).train}
    # "No." is "No." in Spanish; a pair of equal sides is taken for no translation.
    assert {pair for pair in PAIRS[language] if pair[0] != pair[1]} <= trained
