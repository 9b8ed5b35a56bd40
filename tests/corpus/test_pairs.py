import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from toy_corpus import make_pairs

from translator.corpus import Pair, PairFile, write_pairs
from translator.corpus.pairs import spread


def test_take_returns_the_pairs_in_the_order_asked_for(tmp_path):
    """Catches: offsets counted in characters, not bytes (é, 漢 and 😀 have more)."""
    pairs = [Pair("a", "é"), Pair("漢字 😀", "b c"), *make_pairs(200)]
    assert write_pairs(tmp_path / "train.tsv", pairs) == len(pairs)
    file = PairFile(tmp_path / "train.tsv")
    indices = np.random.default_rng(0).permutation(len(pairs))
    assert len(file) == len(pairs)
    assert file.take(indices) == [pairs[index] for index in indices]
    assert list(file) == pairs


def test_offsets_are_a_plain_numpy_file(tmp_path):
    """Catches: a header that still tells the length of zero it was started with."""
    write_pairs(tmp_path / "train.tsv", [Pair("ab", "c"), Pair("d", "ñ")])
    offsets = np.load(tmp_path / "train.offsets.npy")
    assert offsets.dtype == np.int64
    assert offsets.tolist() == [0, 5, 10]  # "ab\tc\n" and "d\tñ\n": ñ has two bytes


@pytest.mark.parametrize("indices", [[-1], [3], [0, 7]])
def test_positions_outside_are_refused(tmp_path, indices):
    """Catches: -1 read as the last offset, giving an empty line and a strange error."""
    write_pairs(tmp_path / "train.tsv", make_pairs(3))
    with pytest.raises(IndexError, match=r"\[0, 3\)"):
        PairFile(tmp_path / "train.tsv").take(np.array(indices))


def test_no_pairs(tmp_path):
    """Catches: mapping an empty file, which the operating system refuses."""
    assert write_pairs(tmp_path / "train.tsv", []) == 0
    file = PairFile(tmp_path / "train.tsv")
    assert len(file) == 0
    assert list(file) == file.take(np.array([], int)) == []


def test_memory_does_not_grow_with_the_pairs(tmp_path):
    """Catches: collecting offsets, or the text, in a list before writing."""

    def peak(count: int) -> int:
        tracemalloc.start()
        pairs = (Pair(f"sentence {i}", f"frase {i}") for i in range(count))
        write_pairs(tmp_path / "train.tsv", pairs)
        for pair in PairFile(tmp_path / "train.tsv"):
            assert pair
        memory = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return memory

    peak(10)  # imports, buffers
    assert peak(20_000) < peak(1_000) + 100_000


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells what is mapped")
def test_nothing_stays_mapped(tmp_path):
    """Catches: a mapping, whose pages count as memory of the process until all of the
    corpus does."""
    write_pairs(tmp_path / "train.tsv", make_pairs(1_000))
    file = PairFile(tmp_path / "train.tsv")
    file.take(np.arange(len(file)))
    assert str(tmp_path) not in Path("/proc/self/maps").read_text("utf-8")


def test_a_sample_is_from_all_over_the_pairs(tmp_path):
    """Catches: the first chapters alone, as a corpus may be in some order."""
    assert spread(5, 3).tolist() == [0, 2, 4]
    assert spread(3, 9).tolist() == [0, 1, 2] and not spread(0, 9).size
    pairs = [Pair(f"a {n}", f"b {n}") for n in range(5)]
    write_pairs(tmp_path / "train.tsv", pairs)
    assert PairFile(tmp_path / "train.tsv").sample(2) == [pairs[0], pairs[4]]
