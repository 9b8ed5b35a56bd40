"""cuDNN's GRU without a GPU: the choice, what the kernel is told, what comes of it.

TensorFlow has the kernel, and the registry says so, but nothing runs it here. In its
place stands `documented_gru`, written from NVIDIA's documentation alone.

Shapes: B batch, T time steps, D input dim, U units.
"""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework import kernels, op_def_registry

from translator.layers import cudnn
from translator.layers.cudnn import choose_cudnn, cudnn_params
from translator.layers.encoder import BidirectionalEncoder
from translator.layers.gru import GRU, GRUCell

B, T, D, U = 4, 5, 3, 6
# No padding; padding; a single step; a row of padding alone.
MASK = np.arange(T) < np.array([[5], [3], [1], [0]])


def random(*shape, seed=0, dtype="float64"):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def randomize(layer):
    layer.build((B, T, D))
    rng = np.random.default_rng(7)
    layer.set_weights([rng.normal(size=w.shape) * 0.6 for w in layer.weights])
    return layer


@pytest.fixture
def on_gpu(monkeypatch):
    """A machine that says that it has a GPU."""
    monkeypatch.setattr(cudnn, "has_cudnn_device", lambda: True)


# --- The choice ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "is_chosen"),
    [
        ({}, True),
        ({"dropout": 0.1}, True),
        ({"go_backwards": True, "return_sequences": True}, True),
        ({"dtype": "mixed_float16"}, True),
        ({"dtype": "mixed_bfloat16"}, True),
        ({"use_cudnn": False}, False),
        ({"reset_after": False}, False),
        ({"use_bias": False}, False),
        ({"recurrent_dropout": 0.1}, False),
        ({"layer_normalization": True}, False),
    ],
)
def test_chosen_where_cudnn_has_the_equations(on_gpu, options, is_chosen):
    """Mistake: any of the conditions left out."""
    assert GRU(U, **({"use_cudnn": "auto"} | options)).runs_cudnn is is_chosen


@pytest.mark.parametrize("num_gpus", [0, 1])
@pytest.mark.parametrize("is_cuda", [False, True])
def test_chosen_where_there_is_an_nvidia_gpu(monkeypatch, num_gpus, is_cuda):
    """Mistakes: a GPU is enough (AMD's has other gates); the wheel is enough."""
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda _: ["g"] * num_gpus)
    monkeypatch.setattr(tf.test, "is_built_with_cuda", lambda: is_cuda)
    layer = GRU(U, use_cudnn="auto")
    assert layer.runs_cudnn is (bool(num_gpus) and is_cuda)
    assert layer.supports_jit is not layer.runs_cudnn  # Keras would choose XLA


def test_not_chosen_unless_asked_for(on_gpu):
    """Mistake: a layer that breaks on masks with holes, on some machines alone."""
    assert not GRU(U).runs_cudnn
    with pytest.raises(ValueError, match="use_cudnn=True"):
        choose_cudnn(True, GRUCell(U))


def test_the_choice_is_made_anew_where_a_layer_is_loaded(monkeypatch, on_gpu):
    """Mistake: the option lost on the way, or the machine's answer saved with it."""
    layer = GRU(U, use_cudnn="auto")
    monkeypatch.setattr(cudnn, "has_cudnn_device", lambda: False)
    copy = GRU.from_config(layer.get_config())
    assert copy.use_cudnn == "auto" and not copy.runs_cudnn


@pytest.mark.parametrize("dtype", [tf.float16, tf.float32, tf.float64])
@pytest.mark.parametrize("name", ["CudnnRNNV3", "CudnnRNNBackpropV3"])
def test_the_kernel_takes_the_types_that_are_chosen(name, dtype):
    """Mistake: a type that the registered kernels, forward and back, do not have."""
    found = kernels.get_registered_kernels_for_op(name).kernel
    if not found:
        pytest.skip("this build of TensorFlow has no kernels for GPUs")
    types = [
        list(rule.allowed_values.list.type) for k in found for rule in k.constraint
    ]
    assert [dtype.as_datatype_enum] in types
    assert all("sequence_lengths" in kernel.host_memory_arg for kernel in found)


# --- What cuDNN documents ------------------------------------------------------------


def documented_gru(
    input,
    input_h,
    input_c,
    params,
    sequence_lengths,
    rnn_mode,
    input_mode,
    direction,
    time_major,
    is_training,
):
    """`tf.raw_ops.CudnnRNNV3`, from the documentation of cuDNN (cudnnRNNMode_t and
    cudnnGetRNNWeightParams): i is the update gate, and the matrices lie in the order
    r, i, h' for the input, then for the state; the biases behind all matrices.
    """
    assert (rnn_mode, input_mode, direction) == (
        "gru",
        "linear_input",
        "unidirectional",
    )
    assert time_major is True and is_training is True
    num_steps, _, width = input.shape
    units = input_h.shape[-1]
    sizes = [units * width] * 3 + [units * units] * 3 + [units] * 6
    assert params.shape == [sum(sizes)]
    assert sequence_lengths.dtype == tf.int32
    assert min(sequence_lengths) >= 1, "CUDNN_STATUS_BAD_PARAM"
    W_r, W_i, W_h, R_r, R_i, R_h, *biases = tf.split(params, sizes)
    W_r, W_i, W_h = (tf.reshape(W, [units, width]) for W in (W_r, W_i, W_h))
    R_r, R_i, R_h = (tf.reshape(R, [units, units]) for R in (R_r, R_i, R_h))
    b_Wr, b_Wi, b_Wh, b_Rr, b_Ri, b_Rh = biases

    def times(matrix, rows):  # W x for each row x
        return tf.transpose(matrix @ tf.transpose(rows))

    [h], outputs = input_h, []
    for t in range(num_steps):
        x = input[t]
        i = tf.sigmoid(times(W_i, x) + times(R_i, h) + b_Wi + b_Ri)
        r = tf.sigmoid(times(W_r, x) + times(R_r, h) + b_Wr + b_Rr)
        new = tf.tanh(times(W_h, x) + r * (times(R_h, h) + b_Rh) + b_Wh)
        is_real = (t < sequence_lengths)[:, None]
        h = tf.where(is_real, (1 - i) * new + i * h, h)
        outputs.append(tf.where(is_real, h, tf.zeros_like(h)))
    return tf.stack(outputs), h[None], None, None, None


@pytest.fixture
def documented(monkeypatch, on_gpu):
    monkeypatch.setattr(tf.raw_ops, "CudnnRNNV3", documented_gru)


def results_and_gradients(layer, mask):
    """Outputs, last output, state; and gradients by inputs, state and weights."""
    inputs, state = tf.constant(random(B, T, D)), tf.constant(random(B, U, seed=1))
    weights = [variable.value for variable in layer.trainable_variables]
    with tf.GradientTape() as tape:
        tape.watch([inputs, state])
        last, outputs, [final] = layer.inner_loop(inputs, [state], mask, training=True)
        results = [outputs, last, final]
        loss = tf.add_n(
            [tf.reduce_sum(r * random(*r.shape, seed=n)) for n, r in enumerate(results)]
        )
    return results, tape.gradient(loss, [inputs, state, *weights])


@pytest.mark.parametrize("zero_output_for_mask", [False, True])
@pytest.mark.parametrize("go_backwards", [False, True])
@pytest.mark.parametrize("mask", [None, MASK], ids=["whole", "padded"])
def test_equals_the_loop(documented, mask, go_backwards, zero_output_for_mask):
    """Mistakes: gates or biases in another order, kernels not transposed, padding read
    first, outputs backwards once too often, a row without a step that falls over,
    keeps another state or has a gradient.
    """
    options = {
        "go_backwards": go_backwards,
        "zero_output_for_mask": zero_output_for_mask,
        "dtype": "float64",
    }
    chosen, plain = (
        randomize(GRU(U, use_cudnn=choice, **options)) for choice in ("auto", False)
    )
    assert chosen.runs_cudnn and not plain.runs_cudnn
    mask = mask if mask is None else tf.constant(mask)
    found, gradients = results_and_gradients(chosen, mask)
    expected, expected_gradients = results_and_gradients(plain, mask)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)
    for ours, theirs in zip(gradients, expected_gradients, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-11)


def test_a_bidirectional_encoder_equals_its_loops(documented):
    """Mistakes: the option lost in the copies that `Bidirectional` makes; a reversed
    layer that gives its outputs in another order.
    """
    encoder = BidirectionalEncoder(U, num_layers=2, dtype="float64")
    encoder.build((B, T, D))
    pairs = [
        (layer.forward_layer, layer.backward_layer) for layer in encoder.gru_layers
    ]
    assert all(layer.runs_cudnn for pair in pairs for layer in pair)
    inputs, mask = random(B, T, D), tf.constant(MASK)
    found = encoder(inputs, mask, training=True)
    for layer in (layer for pair in pairs for layer in pair):
        layer.runs_cudnn = False
    expected = encoder(inputs, mask, training=True)
    # The layers inside compute in 32 bits, and add up as the processor does.
    np.testing.assert_allclose(found.outputs, expected.outputs, rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.state, expected.state, rtol=0, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision(documented, dtype):
    """Mistakes: a result of another type; bfloat16 given to cuDNN."""
    layer = randomize(GRU(U, use_cudnn="auto", dtype=f"mixed_{dtype}"))
    seen = []

    def spy(**arguments):
        seen.append(arguments["input"].dtype)
        return documented_gru(**arguments)

    tf.raw_ops.CudnnRNNV3, original = spy, tf.raw_ops.CudnnRNNV3
    output = layer(random(B, T, D), mask=tf.constant(MASK), training=True)
    tf.raw_ops.CudnnRNNV3 = original
    assert seen == [tf.float16 if dtype == "float16" else tf.float32]
    assert output.dtype == dtype
    expected = randomize(GRU(U))(random(B, T, D), mask=tf.constant(MASK))
    np.testing.assert_allclose(tf.cast(output, "float32"), expected, atol=0.05)


def test_padding_before_a_real_step_is_an_error(documented):
    """Mistake: steps read in another order, in silence, on some machines alone."""
    layer = randomize(GRU(U, use_cudnn="auto", dtype="float64"))
    with pytest.raises(tf.errors.InvalidArgumentError, match="use_cudnn=False"):
        layer(random(1, 3, D), mask=tf.constant([[True, False, True]]), training=True)


# --- The graph -----------------------------------------------------------------------


def traced(training, **options):
    """The function of a layer, as a machine with a GPU would trace it."""
    layer = randomize(GRU(U, use_cudnn="auto", return_sequences=True, **options))

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None, D], layer.compute_dtype),
            tf.TensorSpec([None, None], tf.bool),
        ]
    )
    def run(inputs, mask):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = layer(inputs, mask=mask, training=training)
        return outputs, tape.gradient(outputs, inputs)

    return run.get_concrete_function()


@pytest.mark.parametrize("dtype", ["float32", "mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("go_backwards", [False, True])
def test_the_real_operation_can_be_traced(on_gpu, dtype, go_backwards):
    """Mistakes: a shape, a type or an attribute that TensorFlow's operation or its
    gradient refuses; lengths on the GPU, where its kernel does not look.
    """
    if op_def_registry.get("CudnnRNNV3") is None:
        pytest.skip("this build of TensorFlow has no cuDNN")
    function = traced(True, dtype=dtype, go_backwards=go_backwards)
    outputs, gradient = function.outputs
    assert outputs.shape.as_list() == [None, None, U]
    assert gradient.shape.as_list() == [None, None, D]
    nodes = {op.type: op for op in function.graph.get_operations()}
    operation = nodes["CudnnRNNV3"]
    assert operation.get_attr("rnn_mode") == b"gru"
    assert operation.get_attr("input_mode") == b"linear_input"
    assert operation.get_attr("direction") == b"unidirectional"
    assert operation.get_attr("time_major") and operation.get_attr("is_training")
    assert operation.get_attr("dropout") == 0 and operation.get_attr("num_proj") == 0
    lengths = operation.inputs[-1]
    assert lengths.dtype == tf.int32 and "CPU:0" in lengths.op.device
    assert operation.device == ""  # wherever the layer is
    assert "CudnnRNNBackpropV3" in nodes


def test_nothing_but_training_has_it(on_gpu):
    """Mistake: an export, a search or a validation that only a GPU could run."""
    graph = traced(False).graph.as_graph_def()
    assert "CudnnRNN" not in str(graph)


def test_the_parameters_fill_the_buffer():
    """Mistake: a bias or a kernel left out, where the shapes hide it."""
    cell = GRUCell(U, dtype="float64")
    cell.build((B, D))
    cell.set_weights(
        [np.arange(w.shape.num_elements()).reshape(w.shape) for w in cell.weights]
    )
    values = np.sort(cudnn_params(cell))
    expected = np.sort(np.concatenate([w.numpy().ravel() for w in cell.weights]))
    np.testing.assert_array_equal(values, expected)
