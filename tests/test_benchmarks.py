"""The benchmarks' arithmetic against counts by hand, and that each script starts."""

import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks import costs
from benchmarks.decoding import group
from benchmarks.measuring import format_table, quantile, time_calls
from benchmarks.turns import EpochGate, Worker, WorkerError, take_turns
from translator.config import ModelConfig
from translator.model import build_model

ROOT = Path(__file__).parents[1]
# One unit everywhere and V = 10: small enough to count on paper.
ONE = SimpleNamespace(
    embedding_dim=1,
    encoder_units=1,
    num_encoder_layers=1,
    decoder_units=1,
    num_decoder_layers=1,
    wiring="classic",
    attention="additive",
    tie_embeddings=True,
)


@pytest.mark.parametrize(
    "script", ["products", "gru_layer", "training", "decoding", "serving"]
)
def test_each_script_shows_its_help(script):
    """Catches: a script that needs a peer, a corpus or a cache only to start."""
    command = [sys.executable, "-m", f"benchmarks.{script}", "--help"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "--rounds" in result.stdout


def test_operations_of_a_gru():
    """Catches: a gate forgotten, the state's product left out, one operation for two.

    Five steps, 2 inputs, 3 units: 3 gates of 3 units read 2 + 3 numbers, each a
    multiplication and an addition: 5 * 9 * 5 * 2.
    """
    assert costs.gru(5, 2, 3) == 450


def test_operations_of_the_classic_network():
    """Catches: attention per pair of positions counted once a sentence, the context
    vector missing in the decoder's input or the readout.

    S = 2, T = 3. Encoder: 2 directions x 2 steps x 3 gates x 2 numbers x 2 = 48.
    Bridge: 2 x 1 x 2 = 4. Decoder: 3 steps x 3 gates x (1 + 2 + 1) numbers x 2 = 72.
    Attention: keys 2 x 2 x 2 = 8, queries 3 x 2 = 6, scores 6 pairs x 2 = 12, context
    6 pairs x 2 numbers x 2 = 24. Readout 3 x 3 x 2 = 18, output 3 x 10 x 2 = 60.
    """
    assert costs.seq2seq(ONE, 10, 2, 3) == 48 + 4 + 72 + 8 + 6 + 12 + 24 + 18 + 60


def test_operations_of_the_parallel_network():
    """Catches: the projection of the joined heads forgotten, keys without values.

    As above with two decoder layers and one head of one unit. Bridge to both layers:
    8. Layers: 3 x 3 x (1 + 1) x 2 = 36 and 3 x 3 x (2 + 1) x 2 = 54. Attention: keys
    and values 2 x 2 x 2 x 2 = 16, queries and heads 3 x 2 + 3 x 2 = 12, scores and
    context 12 each. Readout 3 x 2 x 2 = 12.
    """
    sizes = SimpleNamespace(
        **vars(ONE) | {"wiring": "parallel", "attention": "multi_head"}
    )
    sizes.num_decoder_layers = 2
    expected = 48 + 8 + 36 + 54 + 16 + 12 + 24 + 12 + 60
    assert costs.seq2seq(sizes, 10, 2, 3) == expected


def test_operations_of_joeynmt():
    """Catches: our context vector, not the narrower readout, fed to the next step.

    As the classic network, but the decoder reads 1 + 1 + 1 numbers, 54, and the bridge,
    attention, readout and output are the same.
    """
    assert costs.joeynmt(ONE, 10, 2, 3) == 48 + 4 + 54 + 8 + 6 + 12 + 24 + 18 + 60


def test_operations_of_the_tutorial():
    """Catches: keys as wide as both directions, which the tutorial adds up.

    Encoder 48, decoder 3 x 3 x 2 x 2 = 36, keys and values 2 x 4 = 8, queries and
    heads 2 x 6 = 12, scores and context 12 each, output 60.
    """
    assert costs.tutorial(1, 10, 2, 3) == 48 + 36 + 8 + 12 + 24 + 60


def test_operations_of_a_transformer():
    """Catches: every position looking at the whole target rather than what is before.

    One layer, one unit, feed-forward of 2; S = 2, T = 3. Encoder: 4 matrices 2 x 2 x 4
    = 16, network 2 x 2 x 2 x 2 = 16, attention 4 pairs x 4 = 16. Decoder: 6 matrices
    of 3 rows = 36, network 24, itself 6 pairs x 4 = 24, source 6 pairs x 4 = 24,
    keys and values of the source 8. Output 60.
    """
    assert costs.transformer(1, 2, 1, 10, 2, 3) == 48 + 36 + 24 + 24 + 24 + 8 + 60


def test_a_search_reads_the_source_once():
    """Catches: the encoder multiplied by the beam size."""
    assert costs.beam_search(lambda source, target: 7 * source + target, 2, 3, 4) == 26


@pytest.mark.parametrize("wiring", ["classic", "parallel"])
@pytest.mark.parametrize("attention", ["additive", "dot", "general", "multi_head"])
def test_parameters_are_those_of_the_network(wiring, attention):
    """Catches: a bias, a layer or a table missing in the count peers are cut to."""
    sizes = ModelConfig(
        embedding_dim=6,
        encoder_units=4,
        num_encoder_layers=2,
        decoder_units=8,
        num_decoder_layers=3,
        wiring=wiring,
        attention=attention,
        tie_embeddings=wiring == "classic",
    )
    assert costs.seq2seq_parameters(sizes, 11) == build_model(sizes, 11).count_params()


def test_parameters_of_joeynmt():
    """Catches: a bias in its output layer; the number JoeyNMT 2.3.0 itself logs for
    5,000 subwords, one table, 256 units is 3,185,920.
    """
    sizes = SimpleNamespace(**vars(ONE))
    sizes.embedding_dim = sizes.encoder_units = sizes.decoder_units = 256
    assert costs.joeynmt_parameters(sizes, 5_000) == 3_185_920


def test_parameters_of_a_transformer():
    """Catches: a normalisation forgotten.

    One unit, feed-forward of 2: attention 4 x (1 + 1) + 2 = 10, in the decoder twice,
    network 4 + 3 + 2 = 9, the end of either stack 2, table 10, bias of the output 10.
    """
    assert costs.transformer_parameters(1, 2, 1, 10) == 30 + 18 + 4 + 20


def test_widths_are_chosen_by_parameters():
    """Catches: a search that stops at the first width above, or never moves."""
    wanted = costs.transformer_parameters(64, 160, 3, 1_000)
    assert costs.matching_feed_forward(wanted + 5, 64, 3, 1_000) == 160
    sizes = SimpleNamespace(**vars(ONE) | {"decoder_units": 48})
    wanted = costs.seq2seq_parameters(sizes, 1_000)
    assert costs.matching_decoder_units(wanted - 5, ONE, 1_000) == 48


def test_times_are_medians_of_turns():
    """Catches: a mean, in which one disturbed round moves the figure; the first call,
    which traces, counted.
    """
    now = 0.0
    durations = {"a": iter([50, 1, 2, 90]), "b": iter([50, 3, 5, 4])}

    def call(name):
        nonlocal now
        now += next(durations[name])

    calls = {name: lambda n=name: call(n) for name in durations}
    seconds = time_calls(calls, rounds=3, clock=lambda: now, repetitions=1)
    assert seconds == {"a": 2, "b": 4}


def test_a_quantile_is_one_of_the_values():
    """Catches: an index that is one too high, so that a percentile misses the tail."""
    values = list(range(200, 0, -1))
    assert [quantile(values, share) for share in (0.99, 0.5, 1.0)] == [198, 100, 200]


def test_tables_are_markdown():
    """Catches: columns that do not line up with their heads."""
    rows = [{"name": "a", "ms": "1.50"}, {"name": "bcdef", "ms": None}]
    assert format_table(rows).splitlines() == [
        "| name  |   ms |",
        "| ----- | ---: |",
        "| a     | 1.50 |",
        "| bcdef |      |",
    ]


def test_groups_have_one_length_and_64_sentences():
    """Catches: peers that write the length of a neighbour, or one giant batch."""
    sentences = [("long", 9), *[(f"s{n}", 3) for n in range(65)]]
    groups = group(sentences)
    assert [(len(members), length) for members, length in groups] == [
        (64, 3),
        (1, 3),
        (1, 9),
    ]


ECHO = """
from benchmarks.turns import Channel
channel = Channel()
print("a library's noise")
channel.answer(ready=True)
while True:
    channel.answer(twice=2 * channel.request()["number"])
"""


def test_workers_answer_in_turn(monkeypatch):
    """Catches: a library's output taken for an answer; the first turn counted."""
    monkeypatch.chdir(ROOT)
    workers = [Worker(name, [sys.executable, "-c", ECHO], 1) for name in "ab"]
    try:
        answers = take_turns(workers, rounds=2, number=4)
    finally:
        for worker in workers:
            worker.close()
    assert workers[0].facts == {"ready": True}
    assert {n: [a["twice"] for a in turns] for n, turns in answers.items()} == {
        "a": [8, 8],
        "b": [8, 8],
    }


def test_a_worker_that_fails_says_why():
    """Catches: a benchmark that waits for ever, or hides what the peer printed."""
    with pytest.raises(WorkerError, match="no such peer"):
        Worker("a", [sys.executable, "-c", "raise SystemExit('no such peer')"], 1)


DRIVER = f"""
import os, sys
from benchmarks.turns import Worker
worker = Worker("a", [sys.executable, "-c", {ECHO!r}], 1)
print(worker._process.pid, flush=True)
os._exit(0)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks the Linux kernel")
def test_workers_end_with_the_benchmark():
    """Catches: stopped workers that stay for ever after a benchmark was killed."""
    command = [sys.executable, "-c", DRIVER]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    status = Path(f"/proc/{int(result.stdout)}/status")
    deadline = time.monotonic() + 10
    while status.exists() and "zombie" not in status.read_text("utf-8"):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_an_epoch_is_a_turn():
    """Catches: a turn that ends a batch early or late, or tokens of the last one kept
    in the next.
    """
    answers, requests = [], []
    channel = SimpleNamespace(
        answer=lambda **content: answers.append(content),
        request=lambda: requests.append(1),
    )
    gate = EpochGate(channel, num_pairs=5)
    gate.wait()
    for num_pairs, num_tokens in [(3, 30), (2, 8), (4, 50), (1, 1)]:
        gate.count(num_pairs, num_tokens)
    assert [(a["tokens"], a["steps"]) for a in answers] == [(38, 2), (51, 2)]
    assert len(requests) == 3
