"""Sentences without a translation: those that a corpus lacks, and others have.

    uv run python -m benchmarks.unpaired tatoeba-en-fr --output unpaired.en
    uv run translator translate runs/tatoeba-en-fr-best --input unpaired.en \\
        --output unpaired.fr
    uv run translator train --corpus tatoeba-en-fr --extra-corpus unpaired.en \\
        --extra-corpus unpaired.fr --start-from runs/tatoeba-en-fr-best

A model that translates them itself, and trains on what it says beside the pairs that
people wrote, learns to say it whatever is dropped or altered of it.

**Source:** He et al. 2020, "Revisiting self-training for neural sequence generation";
Zhang and Zong 2016, "Exploiting source-side monolingual data in neural machine
translation".
"""

import argparse
from pathlib import Path

from translator.config import DataConfig
from translator.corpus.preparing import read_corpus
from translator.corpus.splitting import sentence_key
from translator.disk import write_text

CORPORA = ("tatoeba-en-es", "tatoeba-en-fr", "tatoeba-en-de")
# A longer one is seldom a sentence, and takes long to translate.
_MAX_CHARACTERS = 150


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", choices=CORPORA, help="the one that lacks them")
    parser.add_argument("--output", type=Path, required=True, help="a line for each")
    options = parser.parse_args()
    known = {sentence_key(text) for text in _sources(options.corpus)}
    found: dict[str, str] = {}
    for corpus in CORPORA:
        for text in _sources(corpus):
            key = sentence_key(text)
            if key not in known and len(text) <= _MAX_CHARACTERS:
                found.setdefault(key, text)
    write_text(options.output, "".join(f"{text}\n" for text in found.values()))
    print(f"{options.output}: {len(found):,} sentences")


def _sources(corpus: str) -> list[str]:
    """Returns the English sentences of a corpus, held-out ones among them."""
    pairs = read_corpus(DataConfig(corpus=(corpus,)))
    return [" ".join(pair.source.split()) for pair in pairs]


if __name__ == "__main__":
    main()
