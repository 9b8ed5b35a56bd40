"""TensorFlow starts in silence, and what goes wrong is still heard."""

import gc
import os
import subprocess
import sys

import pytest

from translator import startup
from translator.startup import (
    import_tensorflow,
    keep_memory,
    no_collections,
    release_memory,
    silent_stderr,
)


def test_silence_ends(capfd):
    """Catches: a process that is mute from then on, also after an error."""
    with silent_stderr():
        os.write(2, b"noise of a library\n")
    with pytest.raises(ImportError), silent_stderr():
        raise ImportError("no module")
    os.write(2, b"word to the user\n")
    assert capfd.readouterr().err == "word to the user\n"


def test_no_file_descriptors_are_lost():
    """Catches: two descriptors leaked at each start, until the process has none."""
    first = os.dup(2)
    os.close(first)
    with silent_stderr():
        pass
    second = os.dup(2)
    os.close(second)
    assert first == second


def test_a_broken_installation_raises(monkeypatch):
    """Catches: an import error that is swallowed with the noise."""
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(ImportError):
        import_tensorflow()


def test_a_user_who_wants_to_hear_it_does(monkeypatch):
    """Catches: a log level that is overwritten."""
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    monkeypatch.setitem(sys.modules, "tensorflow", sys)  # any module
    import_tensorflow()
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "0"


def test_tensorflow_starts_in_silence():
    """Catches: log lines at the import, at the first question for devices, at the
    first operation."""
    code = """
from translator.startup import import_tensorflow
import_tensorflow()
import tensorflow as tf
tf.function(lambda x: x + tf.random.uniform([2]))(tf.ones(2))
"""
    environment = os.environ.copy()
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    assert result.stdout + result.stderr == ""


def test_the_search_for_garbage_goes_on(monkeypatch):
    """Catches: a process that never frees a cycle again, or one that a user told not
    to search and that searches."""
    monkeypatch.setattr(gc, "freeze", lambda: None)  # it lasts
    with pytest.raises(ImportError), no_collections():
        assert not gc.isenabled()
        raise ImportError("no module")
    assert gc.isenabled()
    gc.disable()
    try:
        with no_collections():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


CODE_OF_HOLES = """
from pathlib import Path
from translator.startup import release_memory

def megabytes():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6

blocks = [bytes(2000) for _ in range(50_000)]
last = bytes(2000)  # what lies behind the holes
before = megabytes()
del blocks
release_memory()
print(before - megabytes())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc; needs glibc")
def test_free_memory_is_given_back():
    """Catches: holes that stay with the process."""
    output = subprocess.check_output([sys.executable, "-c", CODE_OF_HOLES], text=True)
    assert float(output) > 50


def test_windows_has_no_such_library(monkeypatch):
    """Catches: `ctypes.CDLL(None)`, a TypeError there."""
    monkeypatch.setattr(os, "name", "nt")
    monkeypatch.setattr("ctypes.CDLL", None)
    keep_memory()
    release_memory()


def test_an_evaluation_without_tensorflow():
    """Catches: TensorFlow imported, and its log lines, to compare two texts."""
    code = "import sys, translator.comparison; sys.exit('tensorflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


CODE_OF_TENSORS = """
from resource import RUSAGE_SELF, getrusage
import numpy as np
from translator.startup import keep_memory

def faults():  # of 20 arrays of 100 MB, one after the other
    before = getrusage(RUSAGE_SELF).ru_minflt
    for _ in range(20):
        np.ones(100_000_000, np.uint8)
    return getrusage(RUSAGE_SELF).ru_minflt - before

before = faults()
keep_memory()
faults()
print(before / max(1, faults()))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs glibc")
def test_memory_is_kept_for_the_next_tensor():
    """Catches: pages that the system clears again for each tensor of each step."""
    code = [sys.executable, "-c", CODE_OF_TENSORS]
    assert float(subprocess.check_output(code, text=True)) > 50


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu.max": "150000 100000"}, 2),
        ({"cpu.max": "max 100000"}, 8),
        ({"cpu/cpu.cfs_quota_us": "50000", "cpu/cpu.cfs_period_us": "100000"}, 1),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 8),
        ({}, 8),
    ],
)
def test_a_container_has_the_cores_of_its_quota(tmp_path, monkeypatch, files, expected):
    """Catches: a thread for each of 64 cores, in a container that has the time of 2."""
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"{content}\n", "utf-8")
    monkeypatch.setattr(startup, "_CGROUP", tmp_path)
    monkeypatch.setattr(startup.os, "sched_getaffinity", lambda pid: set(range(8)))
    assert startup.count_cores() == expected
