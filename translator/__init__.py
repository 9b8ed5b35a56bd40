"""Train and serve your own translator: a GRU network on TensorFlow and Keras 3.

Importing the package starts nothing: each public name is loaded at its first use. So
before `keras.models.load_model` opens a model with layers of this package, take them
from it: `from translator import GRU`.
"""

import os
from importlib import import_module

__version__ = "0.1.0"

_HOMES = {
    "AdditiveAttention": "translator.layers.attention",
    "BidirectionalEncoder": "translator.layers.encoder",
    "ClassicDecoder": "translator.layers.decoder",
    "Config": "translator.config",
    "DotAttention": "translator.layers.attention",
    "GRU": "translator.layers.gru",
    "GRUCell": "translator.layers.gru",
    "GeneralAttention": "translator.layers.attention",
    "MultiHeadAttention": "translator.layers.attention",
    "OnnxTranslator": "translator.light.runtime",
    "ParallelDecoder": "translator.layers.decoder",
    "SavedModelTranslator": "translator.export",
    "SearchConfig": "translator.config",
    "Seq2Seq": "translator.model",
    "Tokenizer": "translator.tokenizer",
    "Translation": "translator.translations",
    "Translator": "translator.inference",
    "UserError": "translator.errors",
    "alternatives": "translator.inspection",
    "beam_search": "translator.search",
    "build_model": "translator.model",
    "export_onnx": "translator.light.export",
    "export_saved_model": "translator.export",
    "load_translator": "translator.loading",
    "make_config": "translator.config",
    "prepare_corpus": "translator.corpus",
    "read_gates": "translator.inspection",
    "search_tree": "translator.inspection",
    "train": "translator.training",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module 'translator' has no attribute {name!r}")
    # The user's own Keras may have another backend; it is chosen at its import.
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
