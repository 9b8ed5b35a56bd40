"""Starting up: how many cores there are, and TensorFlow without its log lines."""

import ctypes
import gc
import logging
import math
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

from translator.errors import UserError

logger = logging.getLogger(__name__)

_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
_CGROUP = Path("/sys/fs/cgroup")
# Of malloc.h, for `mallopt`.
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4


def import_tensorflow() -> None:
    """Imports TensorFlow in silence.

    Its C++ side writes some lines (oneDNN, missing CUDA drivers) straight to the
    standard error of the process, before any log level is read; they are discarded,
    for the time of the import alone. A user who sets `TF_CPP_MIN_LOG_LEVEL` sees all
    that TensorFlow has to say. A failing import raises as always.
    """
    # The user's own Keras may have another backend.
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    if os.environ["KERAS_BACKEND"] != "tensorflow":
        raise UserError(
            "this needs Keras' backend tensorflow. Received: KERAS_BACKEND="
            f"{os.environ['KERAS_BACKEND']}. Unset it."
        )
    # The default only where the processor has AVX-512: elsewhere a product of few rows
    # with transposed weights, as a search's output layer, takes 7 times as long.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    if _LEVEL in os.environ:
        with no_collections():
            import tensorflow  # noqa: F401

        return
    os.environ[_LEVEL] = "3"
    with silent_stderr(), no_collections():
        import tensorflow

        # The CUDA libraries are looked for, and missed aloud, at the first question.
        tensorflow.config.list_physical_devices()


@contextmanager
def no_collections() -> Iterator[None]:
    """Keeps Python from looking for garbage where next to none is made: in imports.

    What they make stays, and each search goes through all of it: a fifth of the time
    of an import. It is left out of later searches too.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
            gc.freeze()


@contextmanager
def silent_stderr() -> Iterator[None]:
    """Points file descriptor 2 at nothing for a while: C++ code logs there."""
    sys.stderr.flush()
    saved = os.dup(2)
    nothing = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nothing)


def keep_memory() -> None:
    """Lets the C library keep memory that is freed, where it can (glibc).

    Else it returns each large tensor to the system at once, and asks for the next one:
    the system clears that, page by page, for a third of the time of a training step.
    """
    if set_option := _c_function("mallopt"):
        set_option(_M_MMAP_MAX, 0)  # no block of its own for a large tensor
        set_option(_M_TRIM_THRESHOLD, -1)  # what is free at the end of the heap stays


def release_memory() -> None:
    """Gives memory that is free back to the system, where the C library can (glibc).

    Threads that ask for tensors of ever other sizes leave holes in it, which it keeps:
    a process seems to grow for thousands of steps.
    """
    if trim := _c_function("malloc_trim"):
        trim(0)


def _c_function(name: str) -> Callable[..., Any] | None:
    """Returns a function of the C library; None where that has none, or is Windows'."""
    if os.name == "nt":
        return None
    return getattr(ctypes.CDLL(None), name, None)


def count_cores() -> int:
    """Returns how many cores this process may use, or has the time of."""
    if not hasattr(os, "sched_getaffinity"):
        return os.cpu_count() or 1
    num_cores = len(os.sched_getaffinity(0))  # Linux; it knows of taskset
    return min(num_cores, math.ceil(_cpu_quota() or num_cores))


def _cpu_quota() -> float | None:
    """How many cores' time a container may have, as by `docker --cpus`; None where
    there is no limit."""
    for names in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        try:
            words = [(_CGROUP / name).read_text().split() for name in names]
            quota, period = map(float, chain(*words))
        except (OSError, ValueError):  # none, or "max"
            continue
        if quota > 0:
            return quota / period
    return None


def set_threads(num_operations: int, num_threads: int) -> None:
    """Sets how many operations may run at a time, and on how many threads each.

    TensorFlow cannot change it once it runs, as it does in a notebook: then it stays.
    """
    import tensorflow as tf

    try:
        tf.config.threading.set_inter_op_parallelism_threads(num_operations)
        tf.config.threading.set_intra_op_parallelism_threads(num_threads)
    except RuntimeError:
        logger.info("TensorFlow runs already: its threads stay as they are")
