"""Target tokens a second of a whole training loop, against JoeyNMT and stock Keras.

    uv run --group bench python -m benchmarks.training --joeynmt PYTHON

Every program trains in a process of its own on the same pairs in the same subwords, and
they take turns. A turn is one epoch over `--pairs` sentence pairs, so it holds all that
an epoch costs: reading and cutting the sentences, batches, dropout, loss, gradients,
clipping, Adam and, in ours, the averaging of the weights. Validations are left out. The
first turn, in which graphs are traced, is thrown away.

- `ours, classic`: additive attention whose context vector feeds the next step, one
  bidirectional encoder layer and one decoder layer of 256 units: JoeyNMT's sizes.
- `ours, parallel`: our default wiring, with the encoder of the above and as many
  decoder units as give as many parameters as JoeyNMT has; once more with sampled
  subwords, and once without `startup.keep_memory`, as TensorFlow is by itself.
- `JoeyNMT`: its `TrainManager`, as its documentation has it: random batches of as many
  sentences as ours hold on average, Bahdanau attention, input feeding.
- `tutorial`: the network of TensorFlow's tutorial in a compiled `fit`, on our batches.

All have 256-wide embeddings, `--vocabulary-size` subwords, label smoothing and dropout
(not the tutorial) as ours, and separate tables for source, target and output unless
`--tie-embeddings`. 5,333 subwords give JoeyNMT 6.0M parameters.

Tokens are real target tokens, with EOS. Operations are those of the matrix products
that the equations need (`benchmarks.costs`); the limit is one large product on as many
threads, measured in the same rounds.
"""

import argparse
import json
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks import costs
from benchmarks.measuring import (
    format_table,
    missing_peer,
    num_cores,
    percent,
    print_header,
    warn_of_others,
)
from benchmarks.products import start_products
from benchmarks.turns import Worker, WorkerError, joeynmt_python, take_turns
from translator.config import make_config, with_options
from translator.corpus import prepare_corpus, write_pairs
from translator.startup import import_tensorflow
from translator.tokenizer import Tokenizer

UNITS = 256
NUM_DEV_PAIRS = 100
# Steps and epochs that are never reached.
NEVER = 10**9
LIMIT = "one large product"
RETURNING = "ours, parallel, memory returned"


@dataclass(frozen=True)
class Data:
    """What all programs read: a corpus cut down, and the subwords of the whole one.

    Attributes:
        folder: Where it all lies.
        settings: Paths, for the workers.
        tokenizer: The subwords.
        lengths: Source and target length of each pair in tokens, `(num_pairs, 2)`.
    """

    folder: Path
    settings: dict
    tokenizer: Tokenizer
    lengths: np.ndarray


def main():
    args = parse_arguments()
    print_header(
        "Training, float32, target tokens a second",
        threads=args.threads,
        pairs_a_turn=args.pairs,
        rounds=args.rounds,
        subwords=args.vocabulary_size,
        batch_tokens=args.batch_tokens,
        tables="one, shared" if args.tie_embeddings else "three",
    )
    for name in args.corpora:
        with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
            data = prepare_data(name, Path(folder), args)
            print(describe(name, data), flush=True)
            print("\n" + format_table(measure(data, args)) + "\n", flush=True)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpora", nargs="+", default=["tatoeba-en-es"])
    parser.add_argument("--threads", type=int, default=num_cores())
    parser.add_argument("--pairs", type=int, default=5_000, help="pairs in a turn")
    parser.add_argument("--rounds", type=int, default=5, help="at least 5")
    parser.add_argument("--vocabulary-size", type=int, default=5_333)
    parser.add_argument("--batch-tokens", type=int, default=2_000)
    parser.add_argument("--tie-embeddings", action="store_true")
    parser.add_argument(
        "--subword-sampling",
        type=float,
        default=1.0,
        help="share of sentences in the row with sampled subwords; 0: no such row",
    )
    parser.add_argument("--joeynmt", help="the Python of JoeyNMT's environment")
    parser.add_argument(
        "--only", nargs="+", default=[], help="programs to measure, by their names"
    )
    return parser.parse_args()


def prepare_data(name, folder, args):
    """Writes pairs and subwords for all programs."""
    options = {"corpus": (name,), "vocabulary_size": args.vocabulary_size}
    corpus = prepare_corpus(make_config("base", options=options).data)
    tokenizer = Tokenizer.train(
        (text for pair in corpus.train for text in pair), args.vocabulary_size
    )
    order = np.random.default_rng(1).permutation(len(corpus.train))
    pairs = corpus.train.take(order[: args.pairs])
    write_pairs(folder / "train.tsv", pairs)
    write_pairs(folder / "dev.tsv", corpus.dev[:NUM_DEV_PAIRS])
    for side, texts in zip(("source", "target"), zip(*pairs, strict=True), strict=True):
        (folder / f"corpus.{side}").write_text("\n".join(texts) + "\n", "utf-8")
    tokenizer.save(folder / "tokenizer.model")
    tokens = tokenizer.tokens(range(tokenizer.vocabulary_size))
    (folder / "vocabulary.txt").write_text("\n".join(tokens) + "\n", "utf-8")
    settings = {
        "train": str(folder / "train.tsv"),
        "dev": str(folder / "dev.tsv"),
        "corpus": str(folder / "corpus"),
        "tokenizer": str(folder / "tokenizer.model"),
        "vocabulary": str(folder / "vocabulary.txt"),
        "info": corpus.info,
        "num_pairs": len(pairs),
    }
    lengths = [
        [len(ids) for ids in tokenizer.encode_batch(texts)]
        for texts in zip(*pairs, strict=True)
    ]
    return Data(folder, settings, tokenizer, np.array(lengths).T)


def describe(name, data):
    source_length, target_length = data.lengths.mean(axis=0)
    return (
        f"{name}: {len(data.lengths):,} pairs, {data.lengths[:, 1].sum():,} target "
        f"tokens; a pair has {source_length:.1f} source and {target_length:.1f} target "
        f"tokens, {data.tokenizer.vocabulary_size:,} subwords"
    )


def measure(data, args):
    """Starts the programs, lets them take turns, and returns the table."""
    programs = start_programs(data, args)
    workers = [worker for worker, _ in programs.values()]
    limit = start_products(args.threads)
    try:
        answers = take_turns([*workers, limit], args.rounds)
    finally:
        for worker in (*workers, limit):
            worker.close()
    speeds = [turn["speeds"][LIMIT] for turn in answers.pop(limit.name)]
    check_tokens(data, answers)
    print(f"the limit: {median(speeds) / 1e9:.0f} GFLOP/s on {args.threads} threads")
    warn_of_others(answers)
    rates = {
        name: [turn["tokens"] / turn["seconds"] for turn in turns]
        for name, turns in answers.items()
    }
    return [
        table_row(name, worker.facts, operations, answers[name], rates, median(speeds))
        for name, (worker, operations) in programs.items()
    ]


def check_tokens(data, answers):
    """Raises an error unless all programs have trained on the same target tokens."""
    expected = int(data.lengths[:, 1].sum())
    for name, turns in answers.items():
        tokens = {turn["tokens"] for turn in turns}
        if tokens != {expected} and "sampled" not in name:
            raise ArithmeticError(f"{name}: {tokens} tokens a turn, not {expected}.")


def table_row(name, facts, operations, turns, rates, limit):
    """One program's row; the others' rates are what it is compared with."""
    rate = median(rates[name])

    def times(other):
        return f"{rate / median(rates[other]):.2f}" if other in rates else None

    return {
        "program": name,
        "parameters": f"{facts['parameters'] / 1e6:.2f}M",
        "MFLOP a token": f"{operations / 1e6:.1f}",
        "tokens a batch": f"{median(t['tokens'] / t['steps'] for t in turns):.0f}",
        "tokens/s": f"{rate:,.0f}",
        "best round": f"{max(rates[name]):,.0f}",
        "times JoeyNMT": times("JoeyNMT"),
        "times the tutorial": times("tutorial"),
        "cores used": f"{median(t['cpu_seconds'] / t['seconds'] for t in turns):.2f}",
        "share of the limit": percent(rate * operations / limit),
    }


def start_programs(data, args):
    """Name -> the worker and the operations of a target token in training."""
    plain, parallel = our_configs(args)
    configs = {"ours, classic": plain, "ours, parallel": parallel, RETURNING: parallel}
    if args.subword_sampling:
        configs["ours, parallel, sampled subwords"] = with_options(
            parallel, "data", subword_sampling=args.subword_sampling
        )
    starts = {
        name: lambda c=config, n=name: start_ours(data, c, n, args)
        for name, config in configs.items()
    }
    starts["tutorial"] = lambda: start_tutorial(data, plain, args)
    starts["JoeyNMT"] = lambda: start_joeynmt(data, plain, args)
    programs = {}
    for name, start in starts.items():
        if args.only and name not in args.only:
            continue
        if started := start():
            programs[name] = started
            print(name, started[0].facts, flush=True)
    return programs


def our_configs(args):
    """The classic wiring at JoeyNMT's sizes, and the parallel one at its parameters."""
    options = {
        "embedding_dim": UNITS,
        "encoder_units": UNITS,
        "num_encoder_layers": 1,
        "decoder_units": UNITS,
        "num_decoder_layers": 1,
        "wiring": "classic",
        "attention": "additive",
        "tie_embeddings": args.tie_embeddings,
        "vocabulary_size": args.vocabulary_size,
        "augmentation": 0.0,
        "placeholders": 0.0,
        "batch_tokens": args.batch_tokens,
        "optimizer": "adam",  # as the others', as is the precision
        "mixed_precision": "none",
        "epochs": NEVER,
        "validate_every": NEVER,
        "patience": 0,
    }
    classic = make_config("base", options=options)
    parallel = with_options(
        classic,
        "model",
        wiring="parallel",
        attention="multi_head",
        num_decoder_layers=2,
    )
    parameters = costs.joeynmt_parameters(classic.model, args.vocabulary_size)
    units = costs.matching_decoder_units(
        parameters, parallel.model, args.vocabulary_size
    )
    return classic, with_options(parallel, "model", decoder_units=units)


def start_ours(data, config, name, args):
    run_dir = data.folder / name.replace(", ", "-").replace(" ", "-")
    settings = data.settings | {
        "config": config.model_dump(mode="json"),
        "run_dir": str(run_dir),
        "keeps_memory": name != RETURNING,
    }
    worker = start(name, "ours", settings, data, args)
    operations = operations_a_token(data, costs.seq2seq, config.model)
    return worker, operations


def start_tutorial(data, config, args):
    settings = data.settings | {
        "config": config.model_dump(mode="json"),
        "units": UNITS,
    }
    worker = start("tutorial", "tutorial", settings, data, args)
    return worker, operations_a_token(data, costs.tutorial, UNITS)


def start(name, role, settings, data, args):
    """Starts a worker of `benchmarks.training_peers`."""
    path = write_settings(data.folder, name, settings)
    command = [sys.executable, "-m", "benchmarks.training_peers", role, path]
    return Worker(name, command, args.threads)


def write_settings(folder, name, settings):
    """Writes the settings of a worker; returns the path for its command line."""
    path = folder / f"{re.sub(r'[^A-Za-z0-9]+', '-', name)}.json"
    path.write_text(json.dumps(settings), "utf-8")
    return str(path)


def start_joeynmt(data, config, args):
    """Starts JoeyNMT, or says how to have it and returns None."""
    name, model = "JoeyNMT", config.model
    python = joeynmt_python(args.joeynmt)
    if python is None:
        missing_peer(name, "benchmarks/README.md says how to make its environment.")
        return None
    settings = data.settings | {
        "model_dir": str(data.folder / "joeynmt"),
        "label_smoothing": config.training.label_smoothing,
        "sentences_per_batch": sentences_per_batch(data, args.batch_tokens),
        **joeynmt_sizes(model),
    }
    path = write_settings(data.folder, name, settings)
    command = [python, "-m", "benchmarks.joeynmt_peer", "train", path]
    try:
        worker = Worker(name, command, args.threads)
    except WorkerError as error:
        missing_peer(name, str(error))
        return None
    return worker, operations_a_token(data, costs.joeynmt, model)


def joeynmt_sizes(model):
    """Those of our sizes that JoeyNMT has, under our names."""
    names = (
        "embedding_dim",
        "encoder_units",
        "num_encoder_layers",
        "decoder_units",
        "num_decoder_layers",
        "tie_embeddings",
        "dropout",
    )
    return {name: getattr(model, name) for name in names}


def sentences_per_batch(data, batch_tokens):
    """Sentences in our average batch, so that JoeyNMT's updates are as large."""
    import_tensorflow()
    from translator.batching import group_by_length

    sides = [[range(length) for length in side] for side in data.lengths.T]
    return round(len(data.lengths) / len(group_by_length(*sides, batch_tokens)))


def operations_a_token(data, count, sizes):
    """Operations of the training step's products for each real target token."""
    forward = sum(
        count(sizes, data.tokenizer.vocabulary_size, int(source), int(target))
        for source, target in data.lengths
    )
    return costs.TRAINING_PASSES * forward / int(data.lengths[:, 1].sum())


if __name__ == "__main__":
    main()
