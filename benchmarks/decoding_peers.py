"""Workers of `benchmarks.decoding` that run in our environment.

    python -m benchmarks.decoding_peers ours SETTINGS.json
    python -m benchmarks.decoding_peers ctranslate2 SETTINGS.json

A request holds `groups`, lists of sentences with the number of subwords (EOS counted)
that their translations are to have, `beam_size` and `is_single`. The answer holds the
seconds: of each sentence one by one, or of all of them in batches. Cutting texts into
subwords and joining these is part of the time.
"""

import json
import sys
import time
from pathlib import Path

from benchmarks.turns import Channel, pin_threads

SENTENCES_PER_BATCH = 64  # as our Translator has at a beam of 5


def main():
    role, path = sys.argv[1:]
    settings = json.loads(Path(path).read_text("utf-8"))
    threads = pin_threads()
    channel = Channel()
    {"ours": serve_ours, "ctranslate2": serve_ctranslate2}[role](
        settings, channel, threads
    )


def serve_ours(settings, channel, threads):
    """Translates with whatever `load_translator` makes of a folder.

    The model ends its translations where it likes; `groups` give the sentences alone.
    A request with `is_count` asks for the lengths instead of the time.
    """
    try:
        from translator.loading import load_translator
    except ImportError:  # where it was before
        from translator.export import load_translator

    translator = load_translator(settings["model"])

    def translate(sentences, beam_size):
        search = translator.search.model_copy(update={"beam_size": beam_size})
        if translator.is_search_fixed:
            search = None
        return translator.translate_sentences(sentences, search)

    channel.answer(kind=type(translator).__name__)
    while True:
        request = channel.request()
        sentences = [text for group, _ in request["groups"] for text in group]
        if request.get("is_count"):
            found = translate(sentences, request["beam_size"])
            channel.answer(lengths=[len(t.hypotheses[0].tokens) for t in found])
            continue
        parts = [[text] for text in sentences] if request["is_single"] else [sentences]
        seconds = []
        for part in parts:
            started = time.perf_counter()
            translate(part, request["beam_size"])
            seconds.append(time.perf_counter() - started)
        channel.answer(seconds=seconds)


def serve_ctranslate2(settings, channel, threads):
    """Translates with a Transformer of random weights in CTranslate2.

    In batches each core has a worker of its own (`inter_threads`), CTranslate2's way to
    the highest throughput; one by one there is only one to use.
    """
    import ctranslate2
    import sentencepiece

    processor = sentencepiece.SentencePieceProcessor(settings["tokenizer"])
    translator = ctranslate2.Translator(
        settings["folder"],
        device="cpu",
        compute_type=settings["compute_type"],
        inter_threads=threads,
        intra_threads=1,
    )
    channel.answer(
        compute_type=translator.compute_type, parameters=settings["parameters"]
    )
    while True:
        request = channel.request()
        groups = request["groups"]
        if request["is_single"]:
            groups = [([text], length) for group, length in groups for text in group]
        seconds = []
        for part in [[g] for g in groups] if request["is_single"] else [groups]:
            started = time.perf_counter()
            run_groups(translator, processor, part, request["beam_size"])
            seconds.append(time.perf_counter() - started)
        channel.answer(seconds=seconds)


def run_groups(translator, processor, groups, beam_size):
    """Translates all groups to their lengths; they may run side by side."""
    pending = []
    for sentences, length in groups:
        rows = processor.encode(sentences, out_type=str, add_eos=True)
        pending += translator.translate_batch(
            rows,
            beam_size=beam_size,
            min_decoding_length=length,
            max_decoding_length=length,
            max_batch_size=SENTENCES_PER_BATCH,
            asynchronous=True,
        )
    for result in pending:
        processor.decode(result.result().hypotheses[0])


def write_transformer(folder, tokens, units, feed_forward, num_layers):
    """Writes a CTranslate2 Transformer of random weights; no training, no converter.

    Args:
        folder: Where to.
        tokens: The subwords in the order of their ids, for both sides.
        units: Width of the layers; 4 heads.
        feed_forward: Width of the layers in between.
        num_layers: Encoder layers, and decoder layers.
    """
    import numpy as np
    from ctranslate2.specs import TransformerSpec

    rng = np.random.default_rng(1)

    def linear(layer, inputs, outputs):
        scale = (2 / (inputs + outputs)) ** 0.5
        layer.weight = rng.normal(0, scale, (outputs, inputs)).astype(np.float32)
        layer.bias = np.zeros(outputs, np.float32)

    def normalize(layer):
        layer.gamma, layer.beta = (
            np.ones(units, np.float32),
            np.zeros(units, np.float32),
        )

    def attend(layer, widths):
        normalize(layer.layer_norm)
        for part, width in zip(layer.linear, widths, strict=True):
            linear(part, units, width)

    def feed(layer):
        normalize(layer.layer_norm)
        linear(layer.linear_0, units, feed_forward)
        linear(layer.linear_1, feed_forward, units)

    spec = TransformerSpec.from_config(num_layers, num_heads=4, pre_norm=True)
    for layer in (*spec.encoder.layer, *spec.decoder.layer):
        attend(layer.self_attention, (3 * units, units))
        feed(layer.ffn)
    for layer in spec.decoder.layer:
        attend(layer.attention, (units, 2 * units, units))
    for stack in (spec.encoder, spec.decoder):
        normalize(stack.layer_norm)
        stack.scale_embeddings = True
    table = rng.normal(0, units**-0.5, (len(tokens), units)).astype(np.float32)
    spec.encoder.embeddings[0].weight = table
    spec.decoder.embeddings.weight = table
    spec.decoder.projection.weight = table
    spec.decoder.projection.bias = np.zeros(len(tokens), np.float32)
    spec.register_source_vocabulary(tokens)
    spec.register_target_vocabulary(tokens)
    spec.validate()
    spec.optimize()
    Path(folder).mkdir(parents=True, exist_ok=True)
    spec.save(str(folder))


if __name__ == "__main__":
    main()
