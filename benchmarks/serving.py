"""A server as its clients see it: one after the other, many at a time, for a long time.

`serve.py` is started as a user would, in a process of its own; the clients are threads
of this one, each with a connection that stays open, and cost time on the same cores:
little, by Python's own HTTP client. The server's processor time tells what others on
the machine cannot spoil: two cores answer at most 2 requests in that of one.

- One client asks for sentences of 12 words, one by one, each another one.
- Many clients ask for the same sentences at the same time; each answer must equal that
  to the one client.
- Many requests follow; the memory of the server is read before and after.
"""

import argparse
import http.client
import itertools
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import NamedTuple

import httpx

from benchmarks.measuring import format_table, print_header, quantile

ROOT = Path(__file__).parents[1]
SUBJECTS = ("My brother", "The old teacher", "A young woman", "Our neighbour", "Nobody")
VERBS = ("bought", "found", "wanted to see", "forgot", "was looking for")
OBJECTS = ("a red bicycle", "the big garden", "some bread", "two books", "the key")
PLACES = ("near the station", "in the morning", "on the bridge", "at school", "with us")


def main() -> None:
    arguments = _parse_arguments()
    print_header(
        "Serving over HTTP",
        model=arguments.model,
        clients=arguments.clients,
        beam_size=arguments.beam_size,
    )
    with _serve(arguments.model) as (process, address, seconds):
        print(f"ready after {seconds:.1f} s\n")
        sentences = list(itertools.islice(_sentences(), arguments.sentences))
        _Asker(address, arguments.beam_size).all(sentences[:20])
        rows, serial = [], {}
        for _ in range(arguments.rounds):
            ask = _Asker(address, arguments.beam_size)  # idle connections are closed
            with _measured("one", process.pid, rows) as times:
                answers, some = ask.all(sentences)
                times += some
            serial = serial or dict(zip(sentences, answers, strict=True))
            with _measured("many", process.pid, rows) as times:
                times += _ask_together(ask, sentences, serial, arguments.clients)
        print(format_table(_table(rows, arguments)))
        before = _megabytes(process.pid)
        _ask_together(ask, sentences, serial, arguments.clients, arguments.requests)
        after = _megabytes(process.pid)
        print(
            f"\nMemory before and after {arguments.requests:,} requests: {before} and "
            f"{after} MB. All answers equal those to one client."
        )


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="data/models/en-es", help="folder to serve")
    parser.add_argument("--clients", type=int, default=32, help="at the same time")
    parser.add_argument("--beam-size", type=int, default=4)
    parser.add_argument("--sentences", type=int, default=200, help="in a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--requests", type=int, default=10_000, help="between two looks at the memory"
    )
    return parser.parse_args()


def _sentences(seed: int = 1) -> Iterator[str]:
    """Yields distinct sentences of about 12 words, of our own making."""
    rng, seen = random.Random(seed), set()
    while True:
        parts = [rng.choice(words) for words in (SUBJECTS, VERBS, OBJECTS, PLACES)]
        other = [rng.choice(words).lower() for words in (SUBJECTS, VERBS, OBJECTS)]
        words = f"{' '.join(parts)} and {' '.join(other)}".split()
        sentence = f"{' '.join(words[:12])}."
        if sentence not in seen:
            seen.add(sentence)
            yield sentence


@contextmanager
def _serve(model: str) -> Iterator[tuple[subprocess.Popen, str, float]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "serve.py", model, "--port", str(port)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        if not process.stdout.readline():
            raise SystemExit("serve.py did not start")
        address = f"http://127.0.0.1:{port}"
        httpx.get(f"{address}/ready", timeout=60).raise_for_status()
        yield process, address, time.perf_counter() - start
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


class _Row(NamedTuple):
    """A turn: its clients, seconds, the server's processor time, and each request's."""

    kind: str
    seconds: float
    processor_seconds: float
    times: list[float]


@contextmanager
def _measured(kind: str, pid: int, rows: list[_Row]) -> Iterator[list[float]]:
    """Adds a row for what is done inside, which fills the list of times."""
    times: list[float] = []
    start, processor = time.perf_counter(), _processor_seconds(pid)
    yield times
    seconds = time.perf_counter() - start
    rows.append(_Row(kind, seconds, _processor_seconds(pid) - processor, times))


class _Asker:
    """A client with a connection of its own."""

    def __init__(self, address: str, beam_size: int):
        self.address, self.beam_size = address, beam_size
        host = address.removeprefix("http://")
        self._connection = http.client.HTTPConnection(host, timeout=60)

    def one(self, sentence: str) -> str:
        body = {"text": sentence, "search": {"beam_size": self.beam_size}}
        headers = {"Content-Type": "application/json"}
        self._connection.request("POST", "/v1/translate", json.dumps(body), headers)
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise SystemExit(f"the server answered {answer.status}: {content!r:.200}")
        return json.loads(content)["translations"][0]["text"]

    def all(self, sentences: Sequence[str]) -> tuple[list[str], list[float]]:
        """Returns the answers, and the seconds that each took."""
        answers, times = [], []
        for sentence in sentences:
            start = time.perf_counter()
            answers.append(self.one(sentence))
            times.append(time.perf_counter() - start)
        return answers, times


def _ask_together(
    ask: _Asker,
    sentences: Sequence[str],
    expected: dict[str, str],
    num_clients: int,
    num_requests: int = 0,
) -> list[float]:
    """Asks for all sentences by many clients; returns the seconds of all requests.

    Raises:
        SystemExit: An answer is another than that to one client.
    """
    count = num_requests or 4 * len(sentences)
    todo = itertools.islice(itertools.cycle(sentences), count)
    lock, times, wrong = threading.Lock(), [], []

    def work() -> None:
        client = _Asker(ask.address, ask.beam_size)
        while True:
            with lock:
                sentence = next(todo, None)
            if sentence is None:
                return
            [answer], [seconds] = client.all([sentence])
            times.append(seconds)
            if answer != expected[sentence]:
                wrong.append((sentence, answer, expected[sentence]))

    threads = [threading.Thread(target=work) for _ in range(num_clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if wrong or len(times) < count:
        raise SystemExit(f"{len(wrong)} other answers, such as {wrong[:1]}")
    return times


def _table(rows: list[_Row], arguments: argparse.Namespace) -> list[dict]:
    table = []
    for kind, clients in (("one", 1), ("many", arguments.clients)):
        own = [row for row in rows if row.kind == kind]
        times = sorted(t for row in own for t in row.times)
        speeds = [len(row.times) / row.seconds for row in own]
        processor = [1e3 * row.processor_seconds / len(row.times) for row in own]
        table.append(
            {
                "clients": clients,
                "median, ms": f"{1e3 * quantile(times, 0.5):.1f}",
                "99th percentile, ms": f"{1e3 * quantile(times, 0.99):.1f}",
                "server's processor, ms": f"{median(processor):.2f}",
                "requests/s": f"{median(speeds):.1f}",
            }
        )
    ratio = float(table[1]["requests/s"]) / float(table[0]["requests/s"])
    for row, value in zip(table, (1.0, ratio), strict=True):
        row["times one client"] = f"{value:.2f}"
    return table


def _processor_seconds(pid: int) -> float:
    """What a process has used of all cores."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _megabytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text("utf-8").splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) // 1000
    raise SystemExit("the server is gone")


if __name__ == "__main__":
    main()
