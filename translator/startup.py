"""Starting TensorFlow without its wall of log lines."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_LEVEL = "TF_CPP_MIN_LOG_LEVEL"


def import_tensorflow() -> None:
    """Imports TensorFlow in silence.

    Its C++ side writes some lines (oneDNN, missing CUDA drivers) straight to the
    standard error of the process, before any log level is read; they are discarded,
    for the time of the import alone. A user who sets `TF_CPP_MIN_LOG_LEVEL` sees all
    that TensorFlow has to say. A failing import raises as always.
    """
    if _LEVEL in os.environ:
        import tensorflow  # noqa: F401

        return
    os.environ[_LEVEL] = "3"
    with silent_stderr():
        import tensorflow

        # The CUDA libraries are looked for, and missed aloud, at the first question.
        tensorflow.config.list_physical_devices()


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
