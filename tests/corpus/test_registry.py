import re
from hashlib import sha256

import pytest

from translator.corpus.generated import LANGUAGES
from translator.corpus.registry import CORPORA, find_corpus
from translator.errors import UserError


def test_entries_are_complete():
    """Catches: a truncated checksum, a missing credit, two files in one place."""
    paths = {}
    for name, corpus in CORPORA.items():
        assert name == corpus.name
        assert name.endswith("-".join(corpus.languages))
        assert corpus.licence and corpus.attribution and corpus.release
        for file in corpus.files:
            assert re.fullmatch("[0-9a-f]{64}", file.sha256)
            assert file.address.startswith("https://")
            assert paths.setdefault(file.path, file) == file
    assert {corpus.is_generated for corpus in CORPORA.values()} == {True, False}


def test_generated_corpora_have_a_grammar():
    """Catches: an entry for a language that cannot be made."""
    for corpus in CORPORA.values():
        assert not corpus.is_generated or {*corpus.languages} <= {*LANGUAGES}


def test_checksums_are_those_of_the_public_files(shared_mirror):
    """Catches: a typing mistake in a checksum, a size or a place."""
    for corpus in CORPORA.values():
        for file in corpus.files:
            content = (shared_mirror / file.path).read_bytes()
            assert len(content) == file.size
            assert sha256(content).hexdigest() == file.sha256


def test_unknown_names_list_the_known_ones():
    """Catches: a bare KeyError."""
    with pytest.raises(UserError, match="'klingon'.*tatoeba-en-es.*numbers-en-es"):
        find_corpus("klingon")


@pytest.mark.parametrize("name", ["klingon", "tatoeba-en", "numbers-es", "-", ""])
def test_half_a_name_is_no_name(name):
    """Catches: a traceback where a name has too few parts to exchange."""
    with pytest.raises(UserError, match="languages exchanged"):
        find_corpus(name)
