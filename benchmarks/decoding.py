"""Speed of translating 1,000 sentences of Multi30k, against JoeyNMT and CTranslate2.

    uv run --group bench python -m benchmarks.decoding --joeynmt PYTHON

Every program is a process of its own, and they take turns; in a turn each translates
the same English sentences, from text to text. `--model` takes every folder that
`load_translator` takes, several times; the first must be a run folder, which gives the
sizes of the others:

- JoeyNMT has as many units and layers in encoder and decoder, as wide embeddings and
  the same subwords, with its own attention (Bahdanau, input feeding).
- CTranslate2 has a Transformer of 3 + 3 layers of 256 with the same subwords and as
  many parameters (the width of the feed-forward layers is chosen for that), in float32
  and in int8.

Their weights are random: that changes no operation, but an untrained model does not
know where to end. So our first model decides: each sentence is to have as many target
tokens from the peers as our model gives it. The peers get the sentences in groups of
one target length, no shorter and no longer, up to 64 sentences at once. That is in
their favour: no batch of theirs waits for a longer sentence, none is padded on the
target side, and their search never runs beyond the end of the best hypothesis, as ours
does until it is certain. Batches of ours are what `translate_sentences` makes of all
1,000 sentences.

One by one, on one core, those sentences are taken that our model gives 14 to 16 target
tokens; the 99th percentile is over all of these in all rounds.

The share of the limit counts the matrix products of a search with all its hypotheses;
int8 has none, as the limit is one of float32.
"""

import argparse
import functools
import json
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from statistics import median

from benchmarks import costs
from benchmarks.decoding_peers import SENTENCES_PER_BATCH, write_transformer
from benchmarks.measuring import (
    format_table,
    missing_peer,
    num_cores,
    package_versions,
    percent,
    print_header,
    quantile,
    warn_of_others,
)
from benchmarks.products import start_products
from benchmarks.training import LIMIT, joeynmt_sizes, write_settings
from benchmarks.turns import Worker, WorkerError, joeynmt_python, take_turns
from translator.config import DataConfig, parse_config
from translator.corpus import load_sets
from translator.tokenizer import Tokenizer

CORPUS, TEST_SET = "multi30k-en-de", "test_2016_flickr"
BATCH_BEAM, SINGLE_BEAM = 5, 4
SINGLE_LENGTHS = range(14, 17)
TRANSFORMER_UNITS, TRANSFORMER_LAYERS = 256, 3


class Model:
    """The first model: what the peers are cut to.

    Args:
        folder: A run folder.

    Attributes:
        sizes: Its `ModelConfig`.
        tokenizer: Its subwords.
        parameters: Their number.
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        saved = json.loads((self.folder / "config.json").read_text("utf-8"))
        sections = ("data", "model", "training", "search")
        config = parse_config({name: saved[name] for name in sections})
        self.sizes = config.model
        self.tokenizer_path = self.folder / "tokenizer.model"
        self.tokenizer = Tokenizer.load(self.tokenizer_path)
        self.vocabulary_size = self.tokenizer.vocabulary_size
        self.parameters = costs.seq2seq_parameters(self.sizes, self.vocabulary_size)
        self.feed_forward = costs.matching_feed_forward(
            self.parameters,
            TRANSFORMER_UNITS,
            TRANSFORMER_LAYERS,
            self.vocabulary_size,
        )


def main():
    args = parse_arguments()
    model = Model(args.model[0])
    print_header(
        "Decoding, sentences a second",
        sentences=args.sentences,
        rounds=args.rounds,
        beam=f"{BATCH_BEAM} in batches and {SINGLE_BEAM} one by one",
        subwords=model.vocabulary_size,
        model=f"{model.folder.name} of {model.parameters / 1e6:.2f}M parameters",
    )
    sentences = load_sentences(args.sentences)
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        measure(model, sentences, Path(folder), args)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", action="append", help="folder; may be repeated")
    parser.add_argument("--sentences", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=5, help="at least 5")
    parser.add_argument("--threads", type=int, nargs="+", help="default: 1 and all")
    parser.add_argument("--joeynmt", help="the Python of JoeyNMT's environment")
    args = parser.parse_args()
    args.model = args.model or ["data/models/en-es"]
    args.threads = args.threads or sorted({1, num_cores()})
    return args


def load_sentences(number):
    """English sentences of the test set."""
    pairs = load_sets(DataConfig(corpus=(CORPUS,))).tests[TEST_SET]
    return [pair.source for pair in pairs[:number]]


def measure(model, sentences, folder, args):
    """Prints a table for each number of threads, and one of single sentences."""
    tasks = make_tasks(model, sentences, folder)
    for threads in args.threads:
        workers = start_programs(model, folder, threads, args)
        try:
            print(f"\nIn batches, {threads} threads, beam {BATCH_BEAM}\n")
            answers = take_turns(
                workers, args.rounds, groups=tasks.batches, beam_size=BATCH_BEAM,
                is_single=False,
            )  # fmt: skip
            report_batches(model, tasks, answers)
            if threads == 1:
                print(f"\nOne by one, one core, beam {SINGLE_BEAM}\n")
                answers = take_turns(
                    workers, args.rounds, groups=tasks.singles,
                    beam_size=SINGLE_BEAM, is_single=True,
                )  # fmt: skip
                report_singles(model, tasks, answers)
        finally:
            for worker in workers:
                worker.close()


class Tasks:
    """Groups of sentences that are to have one number of target tokens.

    Args:
        tokenizer: The subwords, to sort by.
        sentences: All of them.
        batch_lengths: Target tokens of each with the beam of the batches.
        single_lengths: Likewise with the beam of single sentences.

    Attributes:
        batches: `[sentences, length]` of at most 64 sentences each.
        singles: The same of those sentences that are taken one by one.
        batch_sizes: Source and target tokens of each sentence of `batches`.
        single_sizes: The same of `singles`.
    """

    def __init__(self, tokenizer, sentences, batch_lengths, single_lengths):
        sources = [len(ids) for ids in tokenizer.encode_batch(sentences)]
        self.batch_sizes = list(zip(sources, batch_lengths, strict=True))
        # Longest sources first, so that those of a batch are alike.
        order = sorted(range(len(sentences)), key=lambda i: -sources[i])
        self.batches = group([(sentences[i], batch_lengths[i]) for i in order])
        singles = zip(sentences, sources, single_lengths, strict=True)
        singles = [row for row in singles if row[2] in SINGLE_LENGTHS]
        self.singles = group([(text, length) for text, _, length in singles])
        self.single_sizes = [(source, length) for _, source, length in singles]


def group(sentences_and_lengths):
    """Groups `(sentence, length)` by length, in their order, 64 at most in each."""
    by_length = defaultdict(list)
    for sentence, length in sentences_and_lengths:
        by_length[length].append(sentence)
    return [
        [members[start : start + SENTENCES_PER_BATCH], length]
        for length, members in sorted(by_length.items())
        for start in range(0, len(members), SENTENCES_PER_BATCH)
    ]


def make_tasks(model, sentences, folder):
    """Lets our first model say how long the translations are."""
    worker = start_ours(model.folder, folder, num_cores())
    groups = [[sentences, None]]
    try:
        lengths = [
            worker.turn(groups=groups, beam_size=beam_size, is_count=True)["lengths"]
            for beam_size in (BATCH_BEAM, SINGLE_BEAM)
        ]
    finally:
        worker.close()
    return Tasks(model.tokenizer, sentences, *lengths)


def start_programs(model, folder, threads, args):
    """All workers; the last one measures the limit."""
    workers = [start_ours(path, folder, threads) for path in args.model]
    if joeynmt := start_joeynmt(model, folder, threads, args):
        workers.append(joeynmt)
    if "ctranslate2" in package_versions():
        workers += start_transformers(model, folder, threads)
    else:
        missing_peer("CTranslate2", "Add it with: uv sync --group bench")
    for worker in workers:
        print(worker.name, worker.facts, flush=True)
    return [*workers, start_products(threads)]


def start_ours(path, folder, threads):
    name = f"ours, {path}"
    settings = write_settings(folder, name, {"model": str(path)})
    command = [sys.executable, "-m", "benchmarks.decoding_peers", "ours", settings]
    return Worker(name, command, threads)


def start_joeynmt(model, folder, threads, args):
    """Starts JoeyNMT, or says how to have it and returns None."""
    python = joeynmt_python(args.joeynmt)
    if python is None:
        missing_peer("JoeyNMT", "benchmarks/README.md says how to install it.")
        return None
    tokens = model.tokenizer.tokens(range(model.vocabulary_size))
    (folder / "vocabulary.txt").write_text("\n".join(tokens) + "\n", "utf-8")
    settings = joeynmt_sizes(model.sizes) | {
        # Its readout is as wide as its state, which then does not fit the table.
        "tie_embeddings": False,
        "model_dir": str(folder / "joeynmt"),
        "vocabulary": str(folder / "vocabulary.txt"),
        "tokenizer": str(model.tokenizer_path),
        "label_smoothing": 0.0,
        "sentences_per_batch": SENTENCES_PER_BATCH,
    }
    path = write_settings(folder, "JoeyNMT", settings)
    command = [python, "-m", "benchmarks.joeynmt_peer", "search", path]
    try:
        return Worker("JoeyNMT", command, threads)
    except WorkerError as error:
        missing_peer("JoeyNMT", str(error))
        return None


def start_transformers(model, folder, threads):
    """CTranslate2 in float32 and in int8, on one Transformer."""
    tokens = model.tokenizer.tokens(range(model.vocabulary_size))
    write_transformer(
        folder / "transformer",
        tokens,
        TRANSFORMER_UNITS,
        model.feed_forward,
        TRANSFORMER_LAYERS,
    )
    parameters = costs.transformer_parameters(
        TRANSFORMER_UNITS, model.feed_forward, TRANSFORMER_LAYERS, len(tokens)
    )
    for compute_type in ("float32", "int8"):
        name = f"CTranslate2, {compute_type}"
        settings = {
            "folder": str(folder / "transformer"),
            "tokenizer": str(model.tokenizer_path),
            "compute_type": compute_type,
            "parameters": parameters,
        }
        path = write_settings(folder, name, settings)
        command = [sys.executable, "-m", "benchmarks.decoding_peers", "ctranslate2"]
        yield Worker(name, [*command, path], threads)


def report_batches(model, tasks, answers):
    """Prints sentences a second, ratios and the share of the limit."""
    limit = pop_limit(answers)
    warn_of_others(answers)
    seconds = {
        name: [sum(turn["seconds"]) for turn in turns]
        for name, turns in answers.items()
    }
    number = len(tasks.batch_sizes)
    rows = [
        {
            "program": name,
            "sentences/s": f"{number / median(values):.1f}",
            "best round": f"{number / min(values):.1f}",
            **ratios(seconds, name),
            "share of the limit": share_of_limit(
                search_operations(model, name, tasks.batch_sizes, BATCH_BEAM),
                median(values),
                limit,
            ),
        }
        for name, values in seconds.items()
    ]
    print(format_table(rows), flush=True)


def report_singles(model, tasks, answers):
    """Prints the median and the 99th percentile of the milliseconds of a sentence."""
    limit = pop_limit(answers)
    warn_of_others(answers)
    number = len(tasks.single_sizes)
    print(f"{number} sentences of {SINGLE_LENGTHS[0]} to {SINGLE_LENGTHS[-1]} tokens\n")
    seconds = {
        name: [value for turn in turns for value in turn["seconds"]]
        for name, turns in answers.items()
    }
    rows = [
        {
            "program": name,
            "median, ms": f"{median(values) * 1e3:.1f}",
            "99th percentile, ms": f"{quantile(values, 0.99) * 1e3:.1f}",
            **ratios(seconds, name),
            "share of the limit": share_of_limit(
                search_operations(model, name, tasks.single_sizes, SINGLE_BEAM),
                number * median(values),
                limit,
            ),
        }
        for name, values in seconds.items()
    ]
    print(format_table(rows), flush=True)


def pop_limit(answers):
    """Takes the limit's answers out; returns its operations a second."""
    [name] = [name for name in answers if name.startswith("tensorflow on")]
    return median(turn["speeds"][LIMIT] for turn in answers.pop(name))


def share_of_limit(operations, seconds, limit):
    return percent(operations / seconds / limit) if operations else None


def search_operations(model, name, sizes, beam_size):
    """Operations of searches for sentences of `(source, target)` tokens.

    None where a program has other sizes than the first model, or is not float32.
    """
    if name == "JoeyNMT":
        forward = functools.partial(costs.joeynmt, model.sizes, model.vocabulary_size)
    elif name == "CTranslate2, float32":
        forward = functools.partial(
            costs.transformer,
            TRANSFORMER_UNITS,
            model.feed_forward,
            TRANSFORMER_LAYERS,
            model.vocabulary_size,
        )
    elif name == f"ours, {model.folder}":
        forward = functools.partial(costs.seq2seq, model.sizes, model.vocabulary_size)
    else:
        return None
    return sum(costs.beam_search(forward, *size, beam_size) for size in sizes)


def ratios(seconds, name):
    """How many times faster a program is than each peer, by the medians."""
    peers = ("JoeyNMT", "CTranslate2, float32", "CTranslate2, int8")
    return {
        f"times {peer}": f"{median(seconds[peer]) / median(seconds[name]):.2f}"
        if peer in seconds
        else None
        for peer in peers
    }


if __name__ == "__main__":
    main()
