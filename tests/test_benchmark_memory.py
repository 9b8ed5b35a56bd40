"""The benchmark of memory measures the process that it names."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.memory import measure_peak, write_corpus

_MEASURE = """
import sys
from benchmarks.memory import measure_peak
for size in (1, 200_000_000):
    code = f"x = b'x' * int({size}); del x"
    print(measure_peak([sys.executable, "-c", code])["peak MB"])
"""


def test_the_peak_is_that_of_the_command():
    """Catches: KiB taken for bytes, memory at the end instead of the peak, that of
    another child or of this process."""
    # In a small process: a child starts with the peak of the one that made it.
    result = subprocess.run(
        [sys.executable, "-c", _MEASURE],
        cwd=Path(__file__).parents[1],
        check=True,
        capture_output=True,
        text=True,
    )
    small, large = map(int, result.stdout.split())
    assert large - small == pytest.approx(200, abs=20)


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
