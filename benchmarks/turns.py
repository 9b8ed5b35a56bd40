"""Programs that take turns: each in a process of its own, only one of them running.

Two frameworks in one process would share threads, allocator and clock, and JoeyNMT
needs another environment altogether. So every peer is a worker: a process that gets
ready, waits for a line on its standard input, works for one turn, and answers with a
line on its standard output. Lines are JSON objects. Between its turns a worker is
stopped (SIGSTOP), so that nothing of it, no prefetching and no spinning thread, runs in
the time of another.

This module is also imported in the environments of the peers: it needs the standard
library alone.
"""

import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# A worker that is silent for this long has hung; the longest turns take minutes.
_PATIENCE_SECONDS = 1_800
# Where benchmarks/README.md makes JoeyNMT's environment.
_JOEYNMT_PYTHON = Path(".venv-joeynmt/bin/python")
# Lines of a failed worker's standard error that are shown.
_NUM_LOG_LINES = 15


class WorkerError(RuntimeError):
    """A worker ended or hung; the message holds the end of its standard error."""


class Worker:
    """The measuring side: starts a program and gives it turns.

    Args:
        name: What the tables call it.
        command: Program and arguments.
        threads: How many cores it may use; the frameworks are told so as well.
        environment: Further environment variables.

    Attributes:
        facts: The worker's first answer: versions, sizes, parameters.

    Raises:
        WorkerError: It ended before it was ready.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        threads: int,
        environment: Mapping[str, str] | None = None,
    ):
        self.name = name
        self._log = tempfile.NamedTemporaryFile(prefix="benchmark-", suffix=".log")
        self._process = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=os.environ | thread_variables(threads) | dict(environment or {}),
            start_new_session=True,
        )
        self.facts = self._read()
        self._signal(signal.SIGSTOP)

    def turn(self, **request: Any) -> dict[str, Any]:
        """Lets the worker do one piece of work and returns its answer.

        `others_cores` of the answer says how many cores other programs kept busy
        meanwhile: a machine that is not idle spoils the figures.
        """
        started, busy_before = time.perf_counter(), self._others_seconds()
        self._signal(signal.SIGCONT)
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        answer = self._read()
        self._signal(signal.SIGSTOP)
        others = self._others_seconds() - busy_before
        return answer | {
            "others_cores": max(0.0, others / (time.perf_counter() - started))
        }

    def close(self) -> None:
        """Ends the worker and all processes it started."""
        if self._process.poll() is None:
            self._signal(signal.SIGKILL)
            self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()
        self._log.close()

    def _signal(self, number: signal.Signals) -> None:
        # The worker leads a session of its own, so its group is it and its children.
        os.killpg(self._process.pid, number)

    def _others_seconds(self) -> float:
        """Processor seconds of all programs but this worker; Linux only."""
        statistics = Path("/proc/stat")
        if not statistics.exists():
            return 0.0
        user, nice, system = map(int, statistics.read_text().split()[1:4])
        # The name of the program, in parentheses, may hold spaces.
        own = Path(f"/proc/{self._process.pid}/stat").read_text().rsplit(")", 1)[1]
        own_user, own_system = map(int, own.split()[11:13])
        ticks = user + nice + system - own_user - own_system
        return ticks / os.sysconf("SC_CLK_TCK")

    def _read(self) -> dict[str, Any]:
        ready, _, _ = select.select([self._process.stdout], [], [], _PATIENCE_SECONDS)
        line = self._process.stdout.readline() if ready else b""
        if not line:
            message = f"{self.name} gave no answer.\n{self._last_lines()}"
            self.close()
            raise WorkerError(message)
        return json.loads(line)

    def _last_lines(self) -> str:
        with open(self._log.name, encoding="utf-8", errors="replace") as log:
            return "".join(log.readlines()[-_NUM_LOG_LINES:])


class Channel:
    """The worker's side of the lines.

    What the worker's libraries print goes to standard error, so that only answers reach
    the measuring side.
    """

    def __init__(self):
        self._answers = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)
        end_with_parent()

    def answer(self, **content: Any) -> None:
        self._answers.write(json.dumps(content) + "\n")
        self._answers.flush()

    def request(self) -> dict[str, Any]:
        """Waits for the next turn; ends the process when there will be none."""
        line = sys.stdin.readline()
        if not line:
            os._exit(0)
        return json.loads(line)


class EpochGate:
    """Cuts a training loop into turns of one epoch, from inside of the loop.

    The loop calls `count` after every step. After the last batch of an epoch the call
    answers and waits, so the turn that follows holds all that an epoch costs: the end
    of the last one, reading and cutting the sentences of the next, its steps.

    Args:
        channel: To the measuring side.
        num_pairs: Sentence pairs in an epoch.
    """

    def __init__(self, channel: Channel, num_pairs: int):
        self._channel = channel
        self._num_pairs = num_pairs

    def wait(self) -> None:
        """Waits for the first or the next turn."""
        self._channel.request()
        self._pairs = self._tokens = self._steps = 0
        self._started = time.perf_counter()
        self._cpu_started = time.process_time()

    def count(self, num_pairs: int, num_tokens: int) -> None:
        """Notes one step: pairs and target tokens (EOS counted) of its batch."""
        self._pairs += num_pairs
        self._tokens += num_tokens
        self._steps += 1
        if self._pairs < self._num_pairs:
            return
        self._channel.answer(
            seconds=time.perf_counter() - self._started,
            cpu_seconds=time.process_time() - self._cpu_started,
            tokens=self._tokens,
            steps=self._steps,
        )
        self.wait()


def take_turns(
    workers: Sequence[Worker], rounds: int, **request: Any
) -> dict[str, list[dict[str, Any]]]:
    """Gives each worker a first turn that is thrown away, then one in each round.

    Returns:
        Name of the worker -> its answers, one a round.
    """
    answers: dict[str, list[dict[str, Any]]] = {worker.name: [] for worker in workers}
    for number in range(rounds + 1):
        for worker in workers:
            answer = worker.turn(**request)
            if number:
                answers[worker.name].append(answer)
    return answers


def thread_variables(threads: int) -> dict[str, str]:
    """Environment variables by which TensorFlow, PyTorch and others count threads."""
    names = (
        "OMP_NUM_THREADS",
        "MKL_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "TF_NUM_INTRAOP_THREADS",
        "TF_NUM_INTEROP_THREADS",
    )
    return {name: str(threads) for name in names} | {
        "BENCHMARK_THREADS": str(threads),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }


def end_with_parent() -> None:
    """Has the kernel kill this worker when the measuring side is gone; Linux only.

    A stopped process cannot see that its standard input was closed.
    """
    if sys.platform == "linux":
        set_death_signal = 1  # PR_SET_PDEATHSIG of <linux/prctl.h>
        ctypes.CDLL(None).prctl(set_death_signal, signal.SIGKILL)


def pin_threads() -> int:
    """Keeps this worker on as many cores as it has threads; returns their number."""
    threads = int(os.environ.get("BENCHMARK_THREADS", "1"))
    keep_to_cores(threads)
    return threads


def keep_to_cores(number: int) -> None:
    """Lets this process run on this many of its cores, where the system can do that."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:number])


def joeynmt_python(path: str | None) -> str | None:
    """The Python that JoeyNMT is installed for: the one given, or the usual place."""
    if path:
        return path
    return str(_JOEYNMT_PYTHON) if _JOEYNMT_PYTHON.exists() else None
