"""Gathering: everyone gets the own answer, in batches, and nobody waits forever."""

import threading
import time

import pytest

from translator.config import SearchConfig
from translator.serving.gathering import BusyError, Gatherer

SEARCH = SearchConfig(beam_size=2)
GREEDY = SearchConfig(beam_size=1)


class SlowTranslator:
    """Translates into capitals, when it is allowed to; remembers its batches."""

    def __init__(self):
        self.batches = []
        self.started = threading.Semaphore(0)
        self.allowed = threading.Semaphore(0)

    def translate(self, texts, search, num_hypotheses):
        self.batches.append((list(texts), search, num_hypotheses))
        self.started.release()
        assert self.allowed.acquire(timeout=10)
        if "bad" in texts:
            raise ValueError("bad")
        return [text.upper() for text in texts]

    def allow(self, count=100):
        self.allowed.release(count)


@pytest.fixture
def translator():
    return SlowTranslator()


@pytest.fixture
def gatherer(translator):
    gatherer = Gatherer(translator, max_batch=40, max_waiting=100, num_threads=1)
    yield gatherer
    translator.allow()
    gatherer.close()


def occupy(gatherer, translator):
    """Makes the translator work on a text of its own."""
    future = gatherer.submit(["first"], SEARCH)
    assert translator.started.acquire(timeout=10)
    return future


def test_who_comes_meanwhile_is_translated_together(gatherer, translator):
    """Catches: a batch a request, answers of another request, a wait for company."""
    first = occupy(gatherer, translator)
    futures = [gatherer.submit([f"a{n}", f"b{n}"], SEARCH) for n in range(4)]
    translator.allow()
    assert first.result(10) == ["FIRST"]
    for n, future in enumerate(futures):
        assert future.result(10) == [f"A{n}", f"B{n}"]
    assert [len(texts) for texts, *_ in translator.batches] == [1, 8]


def test_a_batch_has_one_set_of_options(gatherer, translator):
    """Catches: the first one's search for all; jobs that lose their place."""
    occupy(gatherer, translator)
    for text, search, count in [
        ("a", SEARCH, 1),
        ("b", GREEDY, 1),
        ("c", SEARCH, 2),
        ("d", SEARCH, 1),
    ]:
        last = gatherer.submit([text], search, count)
    translator.allow()
    last.result(10)
    gatherer.close()
    assert translator.batches[1:] == [
        (["a", "d"], SEARCH, 1),
        (["b"], GREEDY, 1),
        (["c"], SEARCH, 2),
    ]


def test_batches_are_bounded_but_one_request_is_never_cut(gatherer, translator):
    occupy(gatherer, translator)
    futures = [gatherer.submit([n * "x"], SEARCH) for n in (15, 15, 15, 45)]
    translator.allow()
    for future in futures:
        future.result(10)
    sizes = [[len(text) for text in texts] for texts, *_ in translator.batches[1:]]
    assert sizes == [[15, 15], [15], [45]]


def test_too_much_is_refused_at_once_and_taken_again_later(gatherer, translator):
    """Catches: a queue without end, work counted twice or never given back."""
    first = occupy(gatherer, translator)
    second = gatherer.submit(["x" * 50], SEARCH)
    with pytest.raises(BusyError):
        gatherer.submit(["x" * 50], SEARCH)
    translator.allow()
    first.result(10), second.result(10)
    deadline = time.monotonic() + 10
    while gatherer.waiting and time.monotonic() < deadline:
        time.sleep(0.01)
    assert gatherer.waiting == 0
    assert gatherer.submit(["x" * 99], SEARCH).result(10) == ["X" * 99]


def test_one_that_fails_fails_alone(gatherer, translator):
    """Catches: an error for all of a batch, a thread that died of it."""
    occupy(gatherer, translator)
    good, bad, other = (gatherer.submit([t], SEARCH) for t in ("good", "bad", "other"))
    translator.allow()
    assert (good.result(10), other.result(10)) == (["GOOD"], ["OTHER"])
    with pytest.raises(ValueError, match="bad"):
        bad.result(10)
    assert gatherer.submit(["more"], SEARCH).result(10) == ["MORE"]


def test_who_left_costs_nothing(gatherer, translator):
    occupy(gatherer, translator)
    gone, there = (gatherer.submit([text], SEARCH) for text in ("gone", "there"))
    assert gone.cancel()
    translator.allow()
    assert there.result(10) == ["THERE"]
    assert translator.batches[1][0] == ["there"]


def test_closing_answers_what_waits_and_takes_no_more(gatherer, translator):
    """Catches: answers lost at the end, a thread that stays."""
    futures = [occupy(gatherer, translator), gatherer.submit(["last"], SEARCH)]
    translator.allow()
    gatherer.close()
    assert [future.result(0) for future in futures] == [["FIRST"], ["LAST"]]
    with pytest.raises(BusyError):
        gatherer.submit(["late"], SEARCH)


def test_another_batch_begins_beside_the_first(translator):
    """Catches: one core for all; a batch a request on the others."""
    gatherer = Gatherer(translator, num_threads=2, patience=60)
    occupy(gatherer, translator)
    futures = [gatherer.submit([n * "x"], SEARCH) for n in (100, 899)]
    assert translator.started.acquire(timeout=10)
    translator.allow()
    for future in futures:
        future.result(10)
    gatherer.close()
    assert [len(texts) for texts, *_ in translator.batches] == [1, 2]


def test_patience_ends(translator):
    """Catches: one short text that waits for the end of a long batch."""
    gatherer = Gatherer(translator, num_threads=2, patience=0.05)
    occupy(gatherer, translator)
    start = time.monotonic()
    future = gatherer.submit(["x"], SEARCH)
    assert translator.started.acquire(timeout=10)
    assert time.monotonic() - start >= 0.05
    translator.allow()
    assert future.result(10) == ["X"]
    gatherer.close()


def test_nobody_waits_for_company_when_nothing_else_is_done(translator):
    translator.allow()
    gatherer = Gatherer(translator, num_threads=2, patience=60)
    for _ in range(2):
        assert gatherer.submit(["x"], SEARCH).result(10) == ["X"]
    first = gatherer.submit(["y" * 2_000], SEARCH)
    second = gatherer.submit(["z"], SEARCH)  # may wait for the first one, no longer
    assert (first.result(10), second.result(10)) == (["Y" * 2_000], ["Z"])
    gatherer.close()


def test_many_threads_get_their_own_answers(translator):
    translator.allow(10_000)
    gatherer = Gatherer(translator)
    wrong = []

    def ask(name):
        for n in range(50):
            text = f"{name} {n}"
            if gatherer.submit([text], SEARCH).result(10) != [text.upper()]:
                wrong.append(text)

    threads = [threading.Thread(target=ask, args=(name,)) for name in "abcdefgh"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gatherer.close()
    assert not wrong
    assert sum(len(texts) for texts, *_ in translator.batches) == 400
