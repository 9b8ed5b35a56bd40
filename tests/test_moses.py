"""The tokenisation that Multi30k papers score."""

import gzip
from pathlib import Path

import pytest

from translator.evaluation import score_tokenized
from translator.moses import official_references, tokenize_moses

DATA = Path(__file__).parents[2] / "shared" / "data"
needs_data = pytest.mark.skipif(
    not (DATA / "multi30k").is_dir(), reason="the Multi30k files are not here"
)


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("A man's T-Shirt.", "en", "a man &apos;s t-shirt ."),
        ("L'ÉTÉ, aujourd’hui !", "fr", "l&apos; été , aujourd&apos; hui !"),
        ("„Ja“ & «nein»", "de", "&quot; ja &quot; &amp; &quot; nein &quot;"),
        ("2,5 km", "de", "2,5 km"),
    ],
)
def test_tokenize_moses(text, language, expected):
    """Catches: steps left out or in another order, the rules of another language."""
    assert tokenize_moses([text], language) == [expected]


@needs_data
@pytest.mark.parametrize("test", ["test_2016_flickr", "test_2017_flickr"])
@pytest.mark.parametrize("language", ["de", "en", "fr"])
def test_tokenize_moses_makes_the_official_references(
    test, language, tmp_path, monkeypatch
):
    """Catches: any other way to tokenise; files of another set or language."""
    monkeypatch.setenv("TRANSLATOR_CACHE", str(tmp_path))
    monkeypatch.setenv("TRANSLATOR_MIRROR", str(DATA))
    other = "fr" if language == "fr" else "de"
    official = official_references(f"multi30k-en-{other}", test, language)
    with gzip.open(DATA / f"multi30k/raw/{test}.{language}.gz", "rt", "utf-8") as file:
        raw = file.read().splitlines()
    tokenized = [line.strip() for line in tokenize_moses(raw, language)]
    different = [a for a, b in zip(tokenized, official, strict=True) if a != b]
    assert len(official) == 1_000
    assert len(different) <= 1
    assert score_tokenized(raw, official, language).score > 99.9


def test_other_corpora_have_no_official_references():
    """Catches: a fetch, or another set's references, for the user's own files."""
    assert official_references("tatoeba-en-es", "test", "es") is None
    assert official_references("mine.en + mine.de", "test_2016_flickr", "de") is None
    assert official_references("multi30k-en-de", "dev", "de") is None
