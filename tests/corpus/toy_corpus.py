"""Sentences of our own for the tests of this folder."""

import random
from pathlib import Path

from translator.corpus import Pair


def make_pairs(count: int, seed: int = 0) -> list[Pair]:
    """Returns distinct pairs; some share their source, some their target."""
    rng = random.Random(seed)
    pairs = {
        Pair(
            f"The owl saw {rng.randrange(count)} birds.",
            f"El búho vio {rng.randrange(2 * count)} pájaros.",
        ): None
        for _ in range(count)
    }
    return list(pairs)


def write_tsv(path: Path, pairs: list[Pair]) -> Path:
    """Writes the pairs as a user would have them."""
    lines = (f"{source}\t{target}\n" for source, target in pairs)
    path.write_text("".join(lines), "utf-8")
    return path
