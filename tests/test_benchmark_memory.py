"""The benchmark of memory measures the process that it names."""

import subprocess
import sys

import pytest

from benchmarks.memory import measure_peak, write_corpus


def test_the_peak_is_that_of_the_command():
    """Catches: KiB taken for bytes, memory at the end instead of the peak, that of
    another child or of this process."""
    small, large = (
        measure_peak([sys.executable, "-c", f"x = b'x' * int({size}); del x"])
        for size in (1, 200_000_000)
    )
    assert large["peak MB"] - small["peak MB"] == pytest.approx(200, abs=20)


def test_a_case_that_fails_is_no_figure():
    """Catches: the small peak of a command that stopped at once."""
    with pytest.raises(subprocess.CalledProcessError):
        measure_peak([sys.executable, "-c", "raise SystemExit(3)"])


def test_made_up_pairs_repeat(tmp_path):
    """Catches: another corpus in every run; pairs that cleaning would drop."""
    for name in ("a", "b"):
        write_corpus(tmp_path / name, 1_000)
    lines = (tmp_path / "a").read_text("utf-8").splitlines()
    assert lines == (tmp_path / "b").read_text("utf-8").splitlines()
    assert len(set(lines)) == len(lines) == 1_000
    assert all(len(line.split("\t")) == 2 for line in lines)
