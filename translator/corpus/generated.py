"""Endless, exact pairs from number words."""

from collections.abc import Iterator

from translator.corpus.pairs import Pair


def generate_pairs(languages: tuple[str, str], seed: int = 1) -> Iterator[Pair]:
    raise NotImplementedError
