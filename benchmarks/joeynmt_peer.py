"""JoeyNMT 2.3.0 as a worker: its own trainer, its own search. Runs in its environment.

    PYTHON -m benchmarks.joeynmt_peer train SETTINGS.json
    PYTHON -m benchmarks.joeynmt_peer search SETTINGS.json

`benchmarks.training` and `benchmarks.decoding` write the settings and start it;
benchmarks/README.md says how to make the environment. Only what has broken since its
release is mended, at run time and not in its files: PyTorch's schedulers have no
argument `verbose` any more.

It reads the SentencePiece model of our tokenizer, so both sides see the same subwords.
"""

import functools
import importlib.metadata
import json
import sys
import time
from pathlib import Path

import joeynmt.builders
import sentencepiece
import torch
from joeynmt.batch import Batch
from joeynmt.config import parse_global_args, set_validation_args
from joeynmt.model import build_model
from joeynmt.prediction import prepare
from joeynmt.search import search
from joeynmt.training import TrainManager
from joeynmt.vocabulary import build_vocab

from benchmarks.turns import Channel, EpochGate, pin_threads


def main():
    mode, path = sys.argv[1:]
    settings = json.loads(Path(path).read_text("utf-8"))
    torch.set_num_threads(pin_threads())
    mend_scheduler()
    channel = Channel()
    {"train": train, "search": serve_searches}[mode](settings, channel)


def mend_scheduler():
    """Takes away the argument that `ReduceLROnPlateau` lost in PyTorch 2.7."""
    scheduler = joeynmt.builders.ReduceLROnPlateau

    @functools.wraps(scheduler)
    def without_verbose(*args, verbose=None, **kwargs):
        return scheduler(*args, **kwargs)

    joeynmt.builders.ReduceLROnPlateau = without_verbose


def train(settings, channel):
    """Trains with JoeyNMT's own `TrainManager`, one epoch a turn."""
    args = parse_global_args(configuration(settings), rank=0, mode="train")
    args.model_dir.mkdir(parents=True, exist_ok=True)
    model, train_data, dev_data, _ = prepare(args, rank=0, mode="train")
    trainer = TrainManager(
        rank=0,
        model=model,
        model_dir=args.model_dir,
        device=args.device,
        n_gpu=0,
        num_workers=args.num_workers,
        autocast=args.autocast,
        seed=args.seed,
        train_args=args.train,
        dev_args=set_validation_args(args.test),
    )
    gate = EpochGate(channel, settings["num_pairs"])
    count_steps(trainer, gate)
    channel.answer(**facts(model))
    gate.wait()
    trainer.train_and_validate(train_data=train_data, valid_data=dev_data)


def count_steps(trainer, gate):
    """Has the trainer tell the gate of every update.

    The update follows `_train_step` (loss and gradient), so the call after the
    optimizer's step is the end of a step.
    """
    train_step, optimizer_step = trainer._train_step, trainer.optimizer.step
    batches = []

    def noting_step(batch):
        batches.append(batch)
        return train_step(batch)

    def counting_step():
        result = optimizer_step()
        batch = batches.pop()
        gate.count(int(batch.nseqs), int(batch.ntokens))
        return result

    trainer._train_step = noting_step
    trainer.optimizer.step = counting_step


def serve_searches(settings, channel):
    """Translates groups of sentences, each group with one length of its translations.

    A request holds `groups`: `[sentences, length]` pairs; `beam_size`; and whether
    each sentence is a batch of its own. The answer holds the seconds of each group or
    sentence, subwords and text included.
    """
    config = configuration(settings)
    args = parse_global_args(config, rank=0, mode="train")
    source_vocabulary, target_vocabulary = build_vocab(args.data)
    model = build_model(args.model, source_vocabulary, target_vocabulary)
    model.eval()
    processor = sentencepiece.SentencePieceProcessor(settings["tokenizer"])
    channel.answer(**facts(model))
    while True:
        request = channel.request()
        groups = request["groups"]
        if request["is_single"]:
            groups = [([text], length) for group, length in groups for text in group]
        answer = [
            timed_group(model, processor, sentences, length, request["beam_size"])
            for sentences, length in groups
        ]
        channel.answer(seconds=answer)


def timed_group(model, processor, sentences, length, beam_size):
    """Seconds to translate the sentences to `length` subwords each, EOS counted."""
    started = time.perf_counter()
    batch = make_batch(model, processor.encode(sentences, out_type=str))
    with torch.no_grad():
        ids, _, _ = search(
            model=model,
            batch=batch,
            beam_size=beam_size,
            beam_alpha=1.0,
            max_output_length=length,
            min_output_length=length,
            n_best=1,
        )
    rows = model.trg_vocab.arrays_to_sentences(arrays=ids, cut_at_eos=True)
    processor.decode(rows)
    return time.perf_counter() - started


def make_batch(model, rows):
    """Makes JoeyNMT's `Batch` of tokenised source sentences, longest first."""
    ids, lengths, _ = model.src_vocab.sentences_to_ids(rows, bos=False, eos=True)
    batch = Batch(
        src=torch.tensor(ids).long(),
        src_length=torch.tensor(lengths).long(),
        src_prompt_mask=None,
        trg=None,
        trg_prompt_mask=None,
        indices=torch.arange(len(rows)),
        device=torch.device("cpu"),
        pad_index=model.pad_index,
        eos_index=model.eos_index,
        is_train=False,
    )
    batch.sort_by_src_length()
    return batch


def facts(model):
    """What the tables say of this peer."""
    return {
        "versions": {
            "JoeyNMT": importlib.metadata.version("joeynmt"),
            "PyTorch": torch.__version__.split("+")[0],
        },
        "parameters": sum(weight.numel() for weight in model.parameters()),
    }


def configuration(settings):
    """JoeyNMT's configuration, as its YAML files hold it."""
    return {
        "name": "benchmark",
        "joeynmt_version": "2.3.0",
        "model_dir": settings["model_dir"],
        "use_cuda": False,
        "fp16": False,
        "random_seed": 1,
        "data": data_section(settings),
        "testing": {"beam_size": 1, "batch_size": 64, "batch_type": "sentence"},
        "training": {
            "optimizer": "adam",
            "learning_rate": 0.002,
            "scheduling": "plateau",
            "learning_rate_min": 1e-8,
            "normalization": "tokens",
            "label_smoothing": settings["label_smoothing"],
            "clip_grad_norm": 1.0,
            "batch_size": settings["sentences_per_batch"],
            "batch_type": "sentence",
            "epochs": 1_000_000,
            # It never validates within the benchmark's time.
            "validation_freq": 1_000_000,
            "logging_freq": 100,
        },
        "model": model_section(settings),
    }


def data_section(settings):
    side = {
        "level": "bpe",
        "lowercase": False,
        "normalize": False,
        "voc_file": settings["vocabulary"],
        "tokenizer_type": "sentencepiece",
        "tokenizer_cfg": {"model_file": settings["tokenizer"]},
    }
    return {
        "train": settings.get("corpus"),
        "dev": settings.get("corpus"),
        "dataset_type": "plain",
        "src": {"lang": "source"} | side,
        "trg": {"lang": "target"} | side,
    }


def model_section(settings):
    """Bidirectional GRU, Bahdanau attention, the attentional vector fed on."""
    embeddings = {"embedding_dim": settings["embedding_dim"]}
    dropout = settings["dropout"]
    return {
        "initializer": "xavier_uniform",
        "tied_embeddings": settings["tie_embeddings"],
        "tied_softmax": settings["tie_embeddings"],
        "encoder": {
            "type": "recurrent",
            "rnn_type": "gru",
            "embeddings": embeddings | {"dropout": dropout},
            "hidden_size": settings["encoder_units"],
            "bidirectional": True,
            "num_layers": settings["num_encoder_layers"],
            "dropout": dropout,
        },
        "decoder": {
            "type": "recurrent",
            "rnn_type": "gru",
            "embeddings": embeddings | {"dropout": dropout},
            "hidden_size": settings["decoder_units"],
            "num_layers": settings["num_decoder_layers"],
            "dropout": dropout,
            "hidden_dropout": dropout,
            "input_feeding": True,
            "init_hidden": "bridge",
            "attention": "bahdanau",
        },
    }


if __name__ == "__main__":
    main()
