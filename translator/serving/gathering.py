"""Requests of many clients, gathered into batches for one model.

A network translates thirty sentences in the time of three. Whoever comes while a batch
is under way waits for it, and is then translated together with all others who came
meanwhile: nobody waits for company, and the more there are, the larger the batches.
"""

import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from typing import NamedTuple, Protocol

from translator.config import SearchConfig
from translator.translations import Translation

# Characters translated together; what is left waits for the next batch.
MAX_BATCH_CHARACTERS = 20_000
# Characters that wait, before newcomers are sent away: some seconds of work.
MAX_WAITING_CHARACTERS = 200_000


class BusyError(Exception):
    """More is waiting than can be answered soon; or the server is about to stop."""


class TextTranslator(Protocol):
    """What a `Gatherer` needs; see `translator.translations`."""

    def translate(
        self, texts: Sequence[str], search: SearchConfig, num_hypotheses: int
    ) -> list[Translation]: ...


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


class Gatherer:
    """Gives what many threads ask of one translator to it in batches.

    The answer to one does not depend on the others. A request that fails fails alone:
    the others of its batch are translated again without it.

    Args:
        translator: What translates; called by one thread, the gatherer's own.
        max_batch: Characters translated together, at most, but for a single request.
        max_waiting: Characters that wait, at most.

    Example:
        >>> gatherer = Gatherer(translator)                        # doctest: +SKIP
        >>> gatherer.submit(["Hello."], SearchConfig()).result()   # doctest: +SKIP
    """

    def __init__(
        self,
        translator: TextTranslator,
        max_batch: int = MAX_BATCH_CHARACTERS,
        max_waiting: int = MAX_WAITING_CHARACTERS,
    ):
        self.translator = translator
        self.max_batch = max_batch
        self.max_waiting = max_waiting
        self._jobs: deque[_Job] = deque()
        self._waiting = 0
        self._is_closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Characters that wait, or are being translated."""
        return self._waiting

    def submit(
        self, texts: Sequence[str], search: SearchConfig, num_hypotheses: int = 1
    ) -> Future:
        """Asks for translations, and does not wait for them.

        Args:
            texts: Of one client.
            search: How to search.
            num_hypotheses: Hypotheses of each sentence.

        Returns:
            A future of a list of `Translation`. Cancelled before its turn, it costs
            nothing.

        Raises:
            BusyError: Too much is waiting, or `close` was called.
        """
        job = _Job(texts, search, num_hypotheses, Future())
        with self._changed:
            if self._is_closed or (
                self._jobs and self._waiting + job.size > self.max_waiting
            ):
                raise BusyError
            self._jobs.append(job)
            self._waiting += job.size
            self._changed.notify()
        return job.future

    def close(self) -> None:
        """Answers what is waiting, takes nothing more, and returns when all is done."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while batch := self._take_batch():
            self._answer([j for j in batch if j.future.set_running_or_notify_cancel()])
            with self._changed:
                self._waiting -= sum(job.size for job in batch)

    def _take_batch(self) -> list[_Job]:
        """Waits for work; returns the first job, and others with the same options.

        Jobs with other options keep their places. An empty list when it is over.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._jobs or self._is_closed)
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
            return batch

    def _answer(self, jobs: list[_Job]) -> None:
        """Translates the texts of all jobs, and gives each its own."""
        if not jobs:
            return
        texts = [text for job in jobs for text in job.texts]
        try:
            translations = iter(self.translator.translate(texts, *jobs[0].options))
        except Exception as error:  # whoever asked decides what it means
            if len(jobs) == 1:
                jobs[0].future.set_exception(error)
                return
            for job in jobs:
                self._answer([job])
            return
        for job in jobs:
            job.future.set_result([next(translations) for _ in job.texts])
