"""Sentence pairs: named corpora, files, cleaning, splits. No TensorFlow."""

from translator.corpus.pairs import Pair, PairFile
from translator.corpus.preparing import (
    CorpusInfo,
    CorpusSets,
    PreparedCorpus,
    find_languages,
    load_sets,
    prepare_corpus,
)

__all__ = [
    "CorpusInfo",
    "CorpusSets",
    "Pair",
    "PairFile",
    "PreparedCorpus",
    "find_languages",
    "load_sets",
    "prepare_corpus",
]
