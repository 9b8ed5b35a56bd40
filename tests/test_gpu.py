"""Right on a GPU, as far as graphs and the kernel registry can say without one."""

from collections import Counter
from functools import cache

import pytest
import tensorflow as tf
from placement import Placement, has_gpu_kernels

from translator.batching import Batch
from translator.config import ModelConfig, SearchConfig, TrainingConfig
from translator.inference import Translator, search_translations
from translator.layers import cudnn
from translator.model import build_model
from translator.precision import set_precision
from translator.train_step import TrainStep, batch_loss

V = 40
SMALL = {
    "embedding_dim": 16,
    "encoder_units": 8,
    "decoder_units": 16,
    "num_heads": 2,
    "dropout": 0.1,
}
NETWORKS = {
    "parallel": {},
    "classic": {"wiring": "classic", "attention": "additive"},
    "normalised": {"layer_normalization": True, "recurrent_dropout": 0.1},
    "reset_before": {"reset_after": False, "attention": "general"},
    "two_passes": {},
}
TRAINING = {"two_passes": {"r_drop": 3.0}}
IDS = tf.TensorSpec([None, None], tf.int32)
BATCH = Batch(IDS, IDS, IDS)

pytestmark = pytest.mark.skipif(
    not has_gpu_kernels(), reason="this build of TensorFlow has no kernels for GPUs"
)


@cache
def functions(network, mixed_precision="none", has_gpu=False):
    """A network, and its traced functions: the update, the loss, the search."""
    has_device, cudnn.has_cudnn_device = cudnn.has_cudnn_device, lambda: has_gpu
    set_precision(mixed_precision)
    try:
        model = build_model(ModelConfig(**(SMALL | NETWORKS[network])), V)
        config = TrainingConfig(**TRAINING.get(network, {}))
        step = TrainStep(model, config, tf.distribute.get_strategy())
        loss = tf.function(lambda batch: batch_loss(model, Batch(*batch)))
        search = tf.function(
            lambda ids: search_translations(model, ids, SearchConfig(beam_size=3))
        )
        return model, {
            "step": step.compile(BATCH).get_concrete_function(),
            "loss": loss.get_concrete_function(BATCH),
            "search": search.get_concrete_function(IDS),
        }
    finally:
        set_precision("none")
        cudnn.has_cudnn_device = has_device


def placement(name, *arguments, **options):
    """Returns where one of the `functions` would run."""
    model, traced = functions(*arguments, **options)
    # Dropout's seeds: see tests/layers/test_dropout.py.
    return Placement(traced[name], model.non_trainable_variables)


def operations(name, has_gpu):
    return Counter(
        node.op for node in placement(name, "parallel", "none", has_gpu).nodes
    )


# --- Kernels -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["step", "loss", "search"])
@pytest.mark.parametrize(
    ("network", "mixed_precision", "has_gpu"),
    [
        *((network, "none", False) for network in NETWORKS),
        ("parallel", "none", True),
        ("parallel", "bfloat16", True),
        ("parallel", "float16", True),
    ],
)
def test_every_operation_has_a_kernel(name, network, mixed_precision, has_gpu):
    """Catches: an operation that a GPU lacks for these types: it fails, or is done by
    the host, to and fro.
    """
    found = placement(name, network, mixed_precision, has_gpu)
    assert not Counter(node.op for node in found.without_kernel())
    assert len(found.nodes) > 200


# --- cuDNN ---------------------------------------------------------------------------


def test_training_alone_runs_cudnn():
    """Catches: a layer that is left out: two directions of two encoder layers, two
    decoder layers; loops that stay; a search or a loss that no CPU can run.
    """
    plain = operations("step", has_gpu=False)
    step = operations("step", has_gpu=True)
    assert step["CudnnRNNV3"] == step["CudnnRNNBackpropV3"] == 6
    assert plain["StatelessWhile"] - step["StatelessWhile"] == 2 * 6
    assert not plain["CudnnRNNV3"]
    for name in ("loss", "search"):
        assert not operations(name, has_gpu=True)["CudnnRNNV3"]


def test_an_export_runs_everywhere(run_dir, tmp_path, monkeypatch):
    """Catches: a SavedModel made where there is a GPU that needs one."""
    pytest.importorskip("tensorflow_text")
    from translator.export import export_saved_model

    monkeypatch.setattr(cudnn, "has_cudnn_device", lambda: True)
    translator = Translator.load(run_dir)
    assert translator.model.decoder.gru_layers[0].runs_cudnn
    path = export_saved_model(translator, tmp_path)
    graph = (path / "saved_model.pb").read_bytes()
    assert b"Cudnn" not in graph and b"StatelessWhile" in graph


# --- Waits ---------------------------------------------------------------------------

# A tensor that is copied from the GPU to the host makes the host wait for all that the
# GPU has to do before.


def waits(found, bodies):
    return [edge for body in bodies for edge in found.copies(body) if edge.waits]


both_networks = pytest.mark.parametrize("network", ["parallel", "two_passes"])


@both_networks
@pytest.mark.parametrize("has_gpu", [False, True], ids=["loops", "cudnn"])
def test_no_wait_in_the_loops_of_a_step(network, has_gpu):
    """Catches: a number of the host's that the GPU computes, each time step again."""
    found = placement("step", network, "none", has_gpu)
    assert not [(edge.name, str(edge)) for edge in waits(found, found.loops())]
    if not has_gpu:
        assert len(found.loops()) >= 2 * 12  # body and condition, forward and back


@both_networks
@pytest.mark.parametrize("has_gpu", [False, True], ids=["loops", "cudnn"])
def test_no_wait_in_a_step(network, has_gpu):
    """Catches: sizes multiplied on the GPU, seeds counted there, lengths summed there,
    a tensor whose shape is asked for on the CPU.
    """
    found = placement("step", network, "none", has_gpu)
    edges = waits(found, set(found.bodies) - found.loops())
    # A constant of TensorFlow's own, placed with the rest.
    edges = [edge for edge in edges if edge.name != "TensorListConcatV2"]
    assert not [(edge.name, str(edge)) for edge in edges]


def test_nothing_is_compiled_anew_for_each_shape():
    """Catches: XLA left to a default, which on a GPU may be to use it."""
    attributes = functions("parallel")[1]["step"].function_def.attr
    assert "_XlaMustCompile" in attributes and not attributes["_XlaMustCompile"].b
