"""Requests of many clients, gathered into batches for one model.

A network translates thirty sentences in the time of ten. Who comes first is translated
at once; who comes while a batch is under way waits for company, but not for long: until
there is enough for a batch on another core, or until patience ends. So the more there
are, the larger the batches.
"""

import threading
import time
import weakref
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from typing import NamedTuple

from translator.config import SearchConfig
from translator.startup import count_cores
from translator.text_translator import TextTranslator

# Characters translated together; what is left waits for the next batch.
MAX_BATCH_CHARACTERS = 20_000
# Characters that are worth a batch of their own beside others: some 16 sentences.
ENOUGH_CHARACTERS = 1_000
# Seconds that fewer of them wait for company.
PATIENCE = 0.01
# Characters that wait, before newcomers are sent away: some seconds of work.
MAX_WAITING_CHARACTERS = 200_000


class BusyError(Exception):
    """More is waiting than can be answered soon; or the server is about to stop."""


class _Job(NamedTuple):
    """What one client asked for."""

    texts: Sequence[str]
    search: SearchConfig
    num_hypotheses: int
    future: Future

    @property
    def size(self) -> int:
        """In characters; a blank text counts, too."""
        return sum(map(len, self.texts)) + len(self.texts)

    @property
    def options(self) -> tuple[SearchConfig, int]:
        """What all jobs of a batch must agree in."""
        return self.search, self.num_hypotheses


class _Jobs:
    """What waits for one translator, and how it is cut into batches.

    Args: as of `Gatherer`.

    Attributes:
        waiting: Characters that wait, or are being translated.
        translated: Characters that were.
    """

    def __init__(self, max_batch: int, max_waiting: int, patience: float):
        self.max_batch = max_batch
        self.max_waiting = max_waiting
        self.patience = patience
        self.waiting = self.translated = 0
        self._jobs: deque[_Job] = deque()
        self._num_busy = 0  # threads
        self._is_closed = False
        self._changed = threading.Condition()

    def put(self, job: _Job, is_begun: bool) -> None:
        """Lets a job wait for its turn, or raises `BusyError`."""
        with self._changed:
            is_full = self._jobs and self.waiting + job.size > self.max_waiting
            if self._is_closed or (is_full and not is_begun):
                raise BusyError
            self._jobs.append(job)
            self.waiting += job.size
            self._changed.notify_all()

    def close(self) -> None:
        """Takes nothing more."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def note_done(self, batch: list[_Job]) -> None:
        """Notes that a batch was answered, and its thread is free."""
        with self._changed:
            self._num_busy -= 1
            size = sum(job.size for job in batch)
            self.waiting -= size
            self.translated += size
            self._changed.notify_all()

    def take_batch(self) -> list[_Job]:
        """Waits for work; returns the first job, and others with the same options.

        Jobs with other options keep their places. An empty list when it is over.
        """
        with self._changed:
            while True:
                self._changed.wait_for(lambda: self._jobs or self._is_closed)
                if not self._jobs:
                    return []
                self._changed.wait_for(self._is_worth_it, self.patience)
                if self._jobs:  # no other thread took them meanwhile
                    break
            batch: list[_Job] = []
            left: deque[_Job] = deque()
            size = 0
            for job in self._jobs:
                fits = not batch or size + job.size <= self.max_batch
                if fits and (not batch or job.options == batch[0].options):
                    batch.append(job)
                    size += job.size
                else:
                    left.append(job)
            self._jobs = left
            self._num_busy += 1
            return batch

    def _is_worth_it(self) -> bool:
        """Whether what waits should be translated now."""
        size = sum(job.size for job in self._jobs)
        return not self._num_busy or self._is_closed or size >= ENOUGH_CHARACTERS


class Gatherer:
    """Gives what many threads ask of one translator to it in batches.

    The answer to one does not depend on the others. A request that fails fails alone:
    the others of its batch are translated again without it. Its threads end with
    `close`, or when nobody refers to the gatherer any more and all is answered.

    Args:
        translator: What translates; called by the gatherer's own threads.
        max_batch: Characters translated together, at most, but for a single request.
        max_waiting: Characters that wait, at most.
        num_threads: Batches at a time; default, one for each core that this process
            may use.
        patience: Seconds that less than `ENOUGH_CHARACTERS` wait while another batch
            is under way.

    Example:
        >>> gatherer = Gatherer(translator)                        # doctest: +SKIP
        >>> gatherer.submit(["Hello."], SearchConfig()).result()   # doctest: +SKIP
    """

    def __init__(
        self,
        translator: TextTranslator,
        max_batch: int = MAX_BATCH_CHARACTERS,
        max_waiting: int = MAX_WAITING_CHARACTERS,
        num_threads: int | None = None,
        patience: float = PATIENCE,
    ):
        jobs = _Jobs(max_batch, max_waiting, patience)
        self._jobs = jobs
        self._threads = [
            threading.Thread(target=_work, args=(jobs, translator), daemon=True)
            for _ in range(num_threads or count_cores())
        ]
        for thread in self._threads:
            thread.start()
        weakref.finalize(self, jobs.close)

    @property
    def waiting(self) -> int:
        """Characters that wait, or are being translated."""
        return self._jobs.waiting

    @property
    def translated(self) -> int:
        """Characters that were translated."""
        return self._jobs.translated

    def submit(
        self,
        texts: Sequence[str],
        search: SearchConfig,
        num_hypotheses: int = 1,
        is_begun: bool = False,
    ) -> Future:
        """Asks for translations, and does not wait for them.

        Args:
            texts: Of one client.
            search: How to search.
            num_hypotheses: Hypotheses of each sentence.
            is_begun: Whether they go on with a request that was let in already.

        Returns:
            A future of a list of `Translation`. Cancelled before its turn, it costs
            nothing.

        Raises:
            BusyError: Too much is waiting, or `close` was called.
        """
        job = _Job(texts, search, num_hypotheses, Future())
        self._jobs.put(job, is_begun)
        return job.future

    def close(self, seconds: float | None = None) -> None:
        """Takes nothing more, answers what is waiting, and returns when all is done.

        Args:
            seconds: After which it returns in any case; None: any time.
        """
        self._jobs.close()
        end = None if seconds is None else time.monotonic() + seconds
        for thread in self._threads:
            thread.join(None if end is None else max(0.0, end - time.monotonic()))


def _work(jobs: _Jobs, translator: TextTranslator) -> None:
    """What each thread does: it does not know the gatherer, so that one can vanish."""
    while batch := jobs.take_batch():
        running = [job for job in batch if job.future.set_running_or_notify_cancel()]
        _answer(running, translator)
        jobs.note_done(batch)


def _answer(jobs: list[_Job], translator: TextTranslator) -> None:
    """Translates the texts of all jobs, and gives each its own."""
    if not jobs:
        return
    texts = [text for job in jobs for text in job.texts]
    try:
        translations = iter(translator.translate(texts, *jobs[0].options))
    except Exception as error:  # whoever asked decides what it means
        if len(jobs) == 1:
            jobs[0].future.set_exception(error)
            return
        for job in jobs:
            _answer([job], translator)
        return
    for job in jobs:
        job.future.set_result([next(translations) for _ in job.texts])
