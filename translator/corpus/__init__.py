"""Sentence pairs: named corpora, files, cleaning, splits. No TensorFlow."""

from translator.corpus.origins import CorpusInfo, load_tokenized_references
from translator.corpus.pairs import Pair, PairFile, write_pairs
from translator.corpus.preparing import (
    CorpusSets,
    PreparedCorpus,
    load_sets,
    prepare_corpus,
    read_corpus,
)

__all__ = [
    "CorpusInfo",
    "CorpusSets",
    "Pair",
    "PairFile",
    "PreparedCorpus",
    "load_sets",
    "load_tokenized_references",
    "prepare_corpus",
    "read_corpus",
    "write_pairs",
]
