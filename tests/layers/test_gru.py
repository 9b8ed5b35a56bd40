"""Tests of `translator.layers.gru`.

Every test names the deliberate mistake that it was seen to fail on. Weights are random
and distinct, states are not zero, rows differ: a GRU with its gates exchanged passes
tests without that.

Shapes: B batch, T time steps, D input dim, U units.
"""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from translator.layers.gru import GRU, GRUCell

B, T, D, U = 3, 5, 4, 6

# No padding; padding behind; a hole, and padding on both sides; nothing but padding.
MASK = np.array(
    [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [0, 1, 0, 1, 0], [0, 0, 0, 0, 0]], bool
)

ANY_BATCH = [tf.TensorSpec([None, None, D]), tf.TensorSpec([None, None], tf.bool)]

both_conventions = pytest.mark.parametrize("reset_after", [True, False])
both_ways = pytest.mark.parametrize("go_backwards", [False, True])


def random(*shape, seed=0, dtype="float64"):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def randomize(layer, inputs_shape, seed=7):
    """Builds a layer and gives it random weights, biases and gains included."""
    layer.build(inputs_shape)
    rng = np.random.default_rng(seed)
    layer.set_weights([rng.normal(size=w.shape) * 0.6 for w in layer.weights])
    return layer


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def numpy_step(x, h_prev, weights, reset_after):
    """The equations of the docstring, one gate after the other."""
    W_z, W_r, W_h = np.split(weights[0], 3, axis=1)
    U_z, U_r, U_h = np.split(weights[1], 3, axis=1)
    bias = weights[2] if reset_after else np.stack([weights[2], 0 * weights[2]])
    (b_z, b_r, b_h), (d_z, d_r, d_h) = (np.split(row, 3) for row in bias)
    z = sigmoid(x @ W_z + b_z + h_prev @ U_z + d_z)
    r = sigmoid(x @ W_r + b_r + h_prev @ U_r + d_r)
    if reset_after:
        c = np.tanh(x @ W_h + b_h + r * (h_prev @ U_h + d_h))
    else:
        c = np.tanh(x @ W_h + b_h + (r * h_prev) @ U_h)
    return z, r, c, z * h_prev + (1 - z) * c


@both_conventions
@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "tf.function"])
def test_cell_equals_numpy(reset_after, compiled):
    """Mistakes: gates exchanged, z and 1 - z exchanged, recurrent bias dropped."""
    cell = randomize(GRUCell(U, reset_after=reset_after, dtype="float64"), (B, D))
    x, state = random(B, D), random(B, U, seed=1)
    weights = [w.numpy() for w in cell.weights]
    *_, expected = numpy_step(x, state, weights, reset_after)

    run = tf.function(cell) if compiled else cell
    output, [new_state] = run(tf.constant(x), [tf.constant(state)])

    np.testing.assert_allclose(new_state, expected, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(output, new_state)


@both_conventions
def test_gates_equal_numpy(reset_after):
    """Mistake: reset and update gate returned in each other's place."""
    cell = randomize(GRUCell(U, reset_after=reset_after, dtype="float64"), (B, D))
    x, state = random(B, D), random(B, U, seed=1)
    weights = [w.numpy() for w in cell.weights]
    z, r, c, _ = numpy_step(x, state, weights, reset_after)

    gates = cell.gates(tf.constant(x), tf.constant(state))

    np.testing.assert_allclose(gates.update_gate, z, rtol=0, atol=1e-12)
    np.testing.assert_allclose(gates.reset_gate, r, rtol=0, atol=1e-12)
    np.testing.assert_allclose(gates.candidate_state, c, rtol=0, atol=1e-12)


def test_textbook_sense_of_z_is_ours_with_its_weights_negated():
    """Mistake: the update gate on the candidate's side of the sum."""
    cell = randomize(GRUCell(U, dtype="float64"), (B, D))
    x, state = random(B, D), random(B, U, seed=1)
    z, _, c, _ = numpy_step(x, state, [w.numpy() for w in cell.weights], True)
    textbook = (1 - z) * state + z * c

    negated = [w.numpy() * np.repeat([-1, 1, 1], U) for w in cell.weights]
    cell.set_weights(negated)
    output, _ = cell(tf.constant(x), [tf.constant(state)])

    np.testing.assert_allclose(output, textbook, rtol=0, atol=1e-12)


@both_conventions
@pytest.mark.parametrize("use_bias", [True, False])
def test_cell_is_exactly_keras_cell(reset_after, use_bias):
    """Mistakes: kernel columns in another order, a bias of another shape."""
    options = dict(reset_after=reset_after, use_bias=use_bias)
    ours = randomize(GRUCell(U, **options), (B, D))
    theirs = randomize(keras.layers.GRUCell(U, **options), (B, D))
    x, state = (random(B, n, seed=n, dtype="float32") for n in (D, U))

    output, _ = ours(x, [state])
    expected, _ = theirs(x, [state])

    np.testing.assert_array_equal(output, expected)


def test_first_weights_are_drawn_as_in_keras():
    """Mistakes: another initializer; each gate's square orthogonal, not the whole."""
    ours, theirs = GRUCell(U).get_config(), keras.layers.GRUCell(U).get_config()
    for name in ("kernel_initializer", "recurrent_initializer", "bias_initializer"):
        assert ours[name] == theirs[name]

    cell = GRUCell(U)
    cell.build((B, D))
    kernel = cell.recurrent_kernel.numpy()
    np.testing.assert_allclose(kernel @ kernel.T, np.eye(U), atol=1e-6)


def normalize(products, gain):
    """Layer normalisation of three gates of U units."""
    gates = products.reshape(-1, 3, U)
    mean, variance = (f(axis=-1, keepdims=True) for f in (gates.mean, gates.var))
    normalized = (gates - mean) / np.sqrt(variance + 1e-5)
    return normalized.reshape(products.shape) * gain


def test_layer_normalization_equals_numpy():
    """Mistakes: one mean for all gates, gains exchanged, normalised after the bias."""
    cell = GRUCell(U, layer_normalization=True, dtype="float64")
    randomize(cell, (B, D))
    x, state = random(B, D), random(B, U, seed=1)
    kernel, recurrent_kernel, bias, input_gain, recurrent_gain = (
        w.numpy() for w in cell.weights
    )
    x_z, x_r, x_h = np.split(normalize(x @ kernel, input_gain) + bias[0], 3, axis=1)
    product = normalize(state @ recurrent_kernel, recurrent_gain) + bias[1]
    h_z, h_r, h_h = np.split(product, 3, axis=1)
    z, r = sigmoid(x_z + h_z), sigmoid(x_r + h_r)
    expected = z * state + (1 - z) * np.tanh(x_h + r * h_h)

    output, _ = cell(tf.constant(x), [tf.constant(state)])

    np.testing.assert_allclose(output, expected, rtol=0, atol=1e-12)


def wrap_in_rnn(cell):
    return keras.layers.RNN(cell, return_sequences=True)


def wrap_in_bidirectional(cell):
    return keras.layers.Bidirectional(wrap_in_rnn(cell))


def wrap_in_stack(cell):
    return wrap_in_rnn([cell, type(cell)(U)])


@pytest.mark.parametrize("wrap", [wrap_in_rnn, wrap_in_bidirectional, wrap_in_stack])
def test_cell_works_where_keras_cell_works(wrap):
    """Mistakes: state returned bare, mask carried over the wrong way."""
    x = random(4, T, D, dtype="float32")
    ours = randomize(wrap(GRUCell(U)), x.shape)
    theirs = randomize(wrap(keras.layers.GRUCell(U)), x.shape)

    np.testing.assert_array_equal(ours(x, mask=MASK), theirs(x, mask=MASK))


@both_conventions
@both_ways
@pytest.mark.parametrize("zero_output_for_mask", [False, True])
@pytest.mark.parametrize("return_sequences", [False, True])
def test_layer_equals_keras_layer(
    reset_after, go_backwards, zero_output_for_mask, return_sequences
):
    """Mistakes: mask ignored, mask inverted, mask not turned round with the reading."""
    options = dict(
        reset_after=reset_after,
        go_backwards=go_backwards,
        zero_output_for_mask=zero_output_for_mask,
        return_sequences=return_sequences,
        return_state=True,
    )
    x, state = random(4, T, D, dtype="float32"), random(4, U, dtype="float32")
    ours = randomize(GRU(U, **options), x.shape)
    theirs = randomize(keras.layers.GRU(U, **options), x.shape)

    for mask in (None, MASK):
        results = ours(x, initial_state=state, mask=mask)
        expected = theirs(x, initial_state=state, mask=mask)
        for result, value in zip(results, expected, strict=True):
            np.testing.assert_allclose(result, value, rtol=0, atol=1e-6)


def loop_over_cell(layer, x, state, mask):
    """What a sequence layer has to equal: states after each step, as read."""
    states, positions = [], range(T)
    for position in reversed(positions) if layer.go_backwards else positions:
        new_state = layer.cell.step(layer.cell.project(x[:, position]), state)
        state = tf.where(mask[:, position, None], new_state, state)
        states.append(state)
    return tf.stack(states, axis=1)


OPTIONS = {
    "after": dict(reset_after=True),
    "before": dict(reset_after=False),
    "after without bias": dict(reset_after=True, use_bias=False),
    "before without bias": dict(reset_after=False, use_bias=False),
    "normalized": dict(layer_normalization=True),
    "normalized before": dict(layer_normalization=True, reset_after=False),
}
each_option = pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)


@each_option
@both_ways
def test_layer_equals_looping_over_the_cell(options, go_backwards):
    """Mistake: the recurrent bias left out of the loop."""
    layer = GRU(
        U,
        return_sequences=True,
        go_backwards=go_backwards,
        dtype="float64",
        **options,
    )
    x, state = tf.constant(random(3, T, D)), tf.constant(random(3, U))
    randomize(layer, x.shape)
    mask = tf.sequence_mask([T, 2, 4], T)
    first_real = tf.sequence_mask([0, T - 2, T - 4] if go_backwards else [0] * 3, T)
    shown = tf.cast(~first_real, "float64")[:, :, None]

    outputs = layer(x, initial_state=state, mask=mask)

    expected = loop_over_cell(layer, x, state, mask) * shown
    np.testing.assert_allclose(outputs, expected, rtol=0, atol=1e-12)


@both_conventions
def test_one_trace_serves_all_batch_sizes_and_lengths(reset_after):
    """Mistake: the number of steps taken when the graph is made."""
    layer = GRU(U, reset_after=reset_after, return_sequences=True, return_state=True)
    randomize(layer, (None, None, D))

    @tf.function(input_signature=ANY_BATCH)
    def run(x, mask):
        return layer(x, mask=mask)

    for batch_size, length in [(2, 5), (3, 1), (1, 7), (2, 0)]:
        x = random(batch_size, length, D, dtype="float32")
        outputs, state = run(x, np.ones((batch_size, length), bool))
        assert outputs.shape == (batch_size, length, U)
        assert state.shape == (batch_size, U)
        if length:
            np.testing.assert_allclose(outputs, layer(x)[0], atol=1e-6)
    assert run.experimental_get_tracing_count() == 1


def test_padding_changes_nothing_in_either_direction():
    """Mistakes: mask ignored in the backward direction, or not reversed there."""
    layer = keras.layers.Bidirectional(GRU(U, return_sequences=True, return_state=True))
    x = random(B, T, D, dtype="float32")
    padded = np.pad(x, [(0, 0), (0, 3), (0, 0)], constant_values=99.0)
    randomize(layer, x.shape)

    outputs, *states = layer(x, mask=np.ones((B, T), bool))
    padded_outputs, *padded_states = layer(
        padded, mask=np.arange(T + 3) < np.full((B, 1), T)
    )

    # A product of more rows may add up in another order: it depends on the processor.
    np.testing.assert_allclose(padded_outputs[:, :T], outputs, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(padded_outputs[:, T:], np.zeros((B, 3, 2 * U)))
    for state, padded_state in zip(states, padded_states, strict=True):
        np.testing.assert_allclose(padded_state, state, rtol=0, atol=1e-6)


def test_stateful_layer_continues():
    """Mistake: the final state of the masked output instead of the carried one."""
    x = random(B, T, D, dtype="float32")
    layer = randomize(GRU(U, stateful=True), (B, 2, D))
    whole = randomize(GRU(U), x.shape)

    layer(x[:, :2])
    output = layer(x[:, 2:])

    np.testing.assert_allclose(output, whole(x), atol=1e-6)


def test_one_dropout_mask_for_all_steps():
    """Mistakes: a mask for each step; the state's own path dropped, too."""
    options = dict(dropout=0.4, recurrent_dropout=0.4, seed=5, dtype="float64")
    layer = randomize(GRU(U, return_sequences=True, **options), (B, T, D))
    cell = randomize(GRUCell(U, **options), (B, D))  # draws the same masks
    x, state = tf.constant(random(B, T, D)), tf.constant(random(B, U))
    input_mask, recurrent_mask = cell.input_mask(x[:, 0]), cell.recurrent_mask(state)
    assert {0, 1} <= {*np.sign(input_mask).ravel()} | {*np.sign(recurrent_mask).ravel()}

    outputs = layer(x, initial_state=state, training=True)

    for position in range(T):
        projected = cell.project(x[:, position] * input_mask)
        state = cell.step(projected, state, recurrent_mask)
        np.testing.assert_allclose(outputs[:, position], state, rtol=0, atol=1e-12)


def test_nothing_is_dropped_outside_training():
    """Mistake: masks drawn without asking for `training`."""
    x = random(B, T, D, dtype="float32")
    dropping = randomize(GRU(U, dropout=0.5, recurrent_dropout=0.5), x.shape)
    plain = randomize(GRU(U), x.shape)

    np.testing.assert_array_equal(dropping(x), plain(x))
    assert np.abs(dropping(x, training=True) - plain(x)).max() > 0.01


# Gradients


class LoopedGRU(GRU):
    """The layer with the loop that is differentiated automatically."""

    def _fast_loop(self, *args):
        return self._loop_over_cell(*args)


def loss_of(layer, x, state, mask):
    outputs, final_state = layer(x, initial_state=state, mask=mask, training=True)
    loss = tf.reduce_sum(outputs * random(*outputs.shape, seed=9))
    return loss + tf.reduce_sum(final_state * random(*final_state.shape, seed=8))


def loss_and_gradients(layer, x, state, mask):
    """Gradients by inputs, initial state and all weights."""
    weights = [weight.value for weight in layer.trainable_weights]
    with tf.GradientTape() as tape:
        tape.watch([x, state])
        loss = loss_of(layer, x, state, mask)
    return loss, tape.gradient(loss, [x, state, *weights])


def gradient_layer(kind, **options):
    layer = kind(
        U, return_sequences=True, return_state=True, seed=5, dtype="float64", **options
    )
    return randomize(layer, (4, T, D))


@pytest.mark.parametrize(
    "options",
    [OPTIONS[name] for name in OPTIONS if "normalized" not in name],
    ids=[name for name in OPTIONS if "normalized" not in name],
)
@both_ways
@pytest.mark.parametrize(
    ("mask", "recurrent_dropout"),
    [(None, 0.0), (MASK, 0.4)],
    ids=["whole", "masked and dropping"],
)
def test_gradient_is_that_of_the_loop(options, go_backwards, mask, recurrent_dropout):
    """Mistakes: d_z by c - h, 1 - r dropped, position for index, mask ignored."""
    options = options | dict(
        go_backwards=go_backwards, recurrent_dropout=recurrent_dropout
    )
    x, state = tf.constant(random(4, T, D)), tf.constant(random(4, U))
    results = []
    for kind in (GRU, LoopedGRU):
        layer = gradient_layer(kind, **options)
        loss, gradients = tf.function(loss_and_gradients)(layer, x, state, mask)
        results.append([loss, *gradients])

    for result, expected in zip(*results, strict=True):
        np.testing.assert_allclose(result, expected, rtol=0, atol=1e-11)


@each_option
def test_gradient_equals_finite_differences(options):
    """Mistake: a stopped gradient, e.g. of the initial state or the recurrent bias."""
    layer = gradient_layer(GRU, go_backwards=True, **options)
    values = [random(4, T, D), random(4, U), *layer.get_weights()]
    changes = [random(*value.shape, seed=4) for value in values]
    x, state = tf.constant(values[0]), tf.constant(values[1])
    _, gradients = loss_and_gradients(layer, x, state, MASK)

    def loss_with(index, distance):
        """The loss with one of the values moved along its change."""
        moved = values[:]
        moved[index] = values[index] + distance * changes[index]
        x, state, *weights = moved
        layer.set_weights(weights)
        return loss_of(layer, tf.constant(x), tf.constant(state), MASK)

    for index, gradient in enumerate(gradients):
        slope = (loss_with(index, 1e-5) - loss_with(index, -1e-5)) / 2e-5
        expected = np.sum(gradient * changes[index])
        np.testing.assert_allclose(slope, expected, rtol=1e-6, atol=1e-8)


@each_option
def test_gradient_is_the_same_outside_of_training(options):
    """Mistake: gates that are stacked for an export, in another order."""
    layer = gradient_layer(GRU, **options)
    x, found = tf.constant(random(4, T, D)), []
    for training in (True, False):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(layer(x, mask=MASK, training=training)[0] ** 2)
        weights = [weight.value for weight in layer.trainable_weights]
        found.append(tape.gradient(loss, [x, *weights]))
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-12)


@pytest.mark.parametrize("training", [True, False])
def test_gradient_can_be_taken_twice_from_one_tape(training):
    """Mistake: arrays that forget what was read from them."""
    layer = gradient_layer(GRU)
    x = tf.constant(random(4, T, D))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        outputs, _ = layer(x, training=training)

    first, second = (tape.gradient(outputs, x) for _ in range(2))
    np.testing.assert_array_equal(first, second)


# The graph


def bidirectional_graph(**options):
    """The graph of outputs and gradients of a bidirectional layer."""
    layer = keras.layers.Bidirectional(GRU(U, return_sequences=True, **options))
    randomize(layer, (None, None, D))

    @tf.function
    def run(x, mask):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(x, mask=mask, training=True))
        return loss, tape.gradient(loss, [w.value for w in layer.trainable_weights])

    return run.get_concrete_function(*ANY_BATCH).graph


def test_directions_do_not_wait_for_each_other():
    """Mistake: a loop that counts as stateful, so that the next one waits for it."""
    graph = bidirectional_graph()
    loops = {op for op in graph.get_operations() if op.type.endswith("While")}
    assert len(loops) == 4  # forward and backward pass of both directions

    def ancestors(op, found):
        for parent in [tensor.op for tensor in op.inputs] + op.control_inputs:
            if parent not in found:
                found.add(parent)
                ancestors(parent, found)
        return found

    # The forward loops wait for none; the loss, and with it both backward loops, for
    # the two forward loops, and no backward loop for the other.
    waits = [len(ancestors(loop, set()) & loops) for loop in loops]
    assert sorted(waits) == [0, 0, 2, 2]


@each_option
def test_every_operation_has_a_gpu_kernel(options):
    """Mistake: an operation for the CPU alone, such as `tf.numpy_function`."""
    graph = bidirectional_graph(dropout=0.1, recurrent_dropout=0.1, **options)
    operations = {op.type for op in graph.get_operations()}
    for function in graph._functions.values():
        operations |= {node.op for node in function.cached_definition.node_def}
    assert {"MatMul", "TensorListSetItem"} <= operations  # of the loops' bodies
    assert not {name for name in operations if not has_gpu_kernel(name)}


def has_gpu_kernel(name):
    from tensorflow.python.framework import kernels

    registered = kernels.get_registered_kernels_for_op(name).kernel
    return any(kernel.device_type in ("GPU", "DEFAULT") for kernel in registered)


@pytest.mark.parametrize("layer_normalization", [False, True])
def test_it_trains_under_xla(layer_normalization):
    """Mistake: a loop whose length XLA is not told; Keras may choose XLA by itself."""
    layer = GRU(U, layer_normalization=layer_normalization)
    model = keras.Sequential([keras.Input((T, D)), layer, keras.layers.Dense(1)])
    x, y = random(B, T, D, dtype="float32"), random(B, 1, dtype="float32")
    expected = ((model(x) - y) ** 2).numpy().mean()
    model.compile("sgd", "mse", jit_compile=True)
    assert model.train_on_batch(x, y) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("options", [{}, {"reset_after": False}])
def test_a_model_with_it_is_exported(tmp_path, options):
    """Mistake: a gradient that holds arrays of the loop, which no SavedModel can."""
    inputs = keras.Input((T, D))
    model = keras.Model(inputs, keras.layers.Bidirectional(GRU(U, **options))(inputs))
    x = random(B, T, D, dtype="float32")
    model.export(tmp_path / "export", verbose=False)
    loaded = tf.saved_model.load(tmp_path / "export")
    np.testing.assert_allclose(loaded.serve(x), model(x), atol=1e-6)


# Types, saving, errors


@pytest.mark.parametrize(
    ("policy", "tolerance"),
    [("float64", 1e-6), ("mixed_float16", 0.02), ("mixed_bfloat16", 0.1)],
)
def test_number_types(policy, tolerance):
    """Mistake: a constant of float32 inside the loop."""
    x = random(4, T, D)
    layer = randomize(GRU(U, return_sequences=True, dtype=policy), x.shape)
    reference = randomize(GRU(U, return_sequences=True), x.shape)

    outputs = layer(x, mask=MASK)

    assert outputs.dtype == layer.compute_dtype
    expected = reference(x, mask=MASK)
    np.testing.assert_allclose(tf.cast(outputs, "float32"), expected, atol=tolerance)


ALL_OPTIONS = dict(
    use_bias=False,
    reset_after=False,
    layer_normalization=True,
    dropout=0.1,
    recurrent_dropout=0.2,
    kernel_initializer="he_normal",
    recurrent_initializer="glorot_normal",
    bias_initializer="ones",
    seed=3,
    name="reader",
    dtype="mixed_bfloat16",
)


@pytest.mark.parametrize(
    "layer",
    [
        GRUCell(U, **ALL_OPTIONS),
        GRU(
            U,
            return_sequences=True,
            return_state=True,
            go_backwards=True,
            stateful=True,
            zero_output_for_mask=True,
            **ALL_OPTIONS,
        ),
    ],
    ids=["cell", "layer"],
)
def test_config_survives_json(layer):
    """Mistake: `layer_normalization` left out of `get_config`."""
    serialized = json.dumps(keras.saving.serialize_keras_object(layer))
    copy = keras.saving.deserialize_keras_object(json.loads(serialized))

    assert type(copy) is type(layer)
    assert copy.get_config() == layer.get_config()
    for name, value in ALL_OPTIONS.items():
        if not name.endswith("initializer") and name != "dtype":
            assert copy.get_config()[name] == value


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize(
    "make_layer",
    [
        lambda: wrap_in_bidirectional(GRUCell(U)),
        lambda: keras.layers.Bidirectional(GRU(U)),
    ],
    ids=["RNN of a cell", "layer"],
)
def test_model_loads_without_custom_objects(make_layer, tmp_path):
    """Mistake: class not registered."""
    model = keras.Sequential([keras.Input((None, D)), make_layer()])
    model.save(tmp_path / "model.keras")

    loaded = keras.saving.load_model(tmp_path / "model.keras")

    x = random(B, T, D, dtype="float32")
    np.testing.assert_array_equal(loaded(x), model(x))


@pytest.mark.parametrize("kind", [GRUCell, GRU])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(units=0), "units must be an integer of at least 1. Received: units=0"),
        (dict(units=2.5), "units must be .* Received: units=2.5"),
        (dict(units=True), "units must be .* Received: units=True"),
        (dict(units=2, dropout=1.0), "dropout is the fraction .* dropout=1.0"),
        (dict(units=2, recurrent_dropout=-0.1), "recurrent_dropout is .*=-0.1"),
    ],
)
def test_bad_options_are_refused(kind, options, message):
    """Mistake: checks taken out of the constructor."""
    with pytest.raises(ValueError, match=message):
        kind(**options)


def test_bad_rank_is_refused():
    """Mistake: no `input_spec`."""
    with pytest.raises(ValueError, match="expected ndim=3, found ndim=2"):
        GRU(U)(random(B, D))


@pytest.mark.parametrize("num_parts", [2, 7], ids=["two", "more_than_rows"])
def test_parts_equal_the_whole(num_parts):
    """Catches: rows lost or in another order at a cut, a mask of other rows."""
    rng = np.random.default_rng(31)
    inputs, state = rng.normal(size=(5, 4, 3)), rng.normal(size=(5, 6))
    inputs, state = (tf.constant(x, tf.float32) for x in (inputs, state))
    mask = tf.sequence_mask([4, 1, 0, 3, 2], 4)
    options = {"return_sequences": True, "return_state": True}
    whole, cut = GRU(6, **options), GRU(6, num_parts=num_parts, **options)
    found = []
    for layer in (whole, cut):
        layer.build(inputs.shape)
        layer.set_weights(whole.get_weights())
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs, last = layer(inputs, initial_state=state, mask=mask)
            loss = tf.reduce_sum(outputs**2) + tf.reduce_sum(last * state)
        weights = [weight.value for weight in layer.trainable_weights]
        found.append([outputs, last, *tape.gradient(loss, [inputs, *weights])])
    for expected, result in zip(*found, strict=True):
        np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("reset_after", [True, False])
def test_second_derivatives_are_those_of_the_cell(reset_after):
    """Catches: a gradient of our own that is itself taken for a constant."""
    rng = np.random.default_rng(5)
    inputs = tf.constant(rng.normal(size=(2, 4, 3)))
    mask = tf.sequence_mask([4, 2], 4)
    layer = GRU(5, reset_after=reset_after, dtype="float64", return_sequences=True)
    layer.build(inputs.shape)

    def loop(inputs):
        state, outputs = tf.zeros([2, 5], tf.float64), []
        for step in range(4):
            new, _ = layer.cell(inputs[:, step], [state])
            state = tf.where(mask[:, step, None], new, state)
            outputs.append(state)
        return tf.stack(outputs, axis=1)

    found = []
    for run in (lambda x: layer(x, mask=mask), loop):
        with tf.GradientTape() as outer:
            outer.watch(inputs)
            with tf.GradientTape() as inner:
                inner.watch(inputs)
                loss = tf.reduce_sum(run(inputs) ** 2)
            penalty = tf.reduce_sum(inner.gradient(loss, inputs) ** 2)
        kernels = [layer.cell.kernel.value, layer.cell.recurrent_kernel.value]
        found.append(outer.gradient(penalty, [inputs, *kernels]))
    for ours, expected in zip(*found, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-9)


def test_gates_outside_of_a_call():
    """Catches: weights in float32 times inputs in float16; no weights, no word."""
    cell = GRUCell(3, dtype="mixed_float16")
    with pytest.raises(ValueError, match="no weights yet"):
        cell.gates(np.ones((2, 4)), np.ones((2, 3)))
    cell(np.ones((2, 4)), cell.get_initial_state(2))
    gates = cell.gates(tf.ones([2, 4], tf.float16), tf.ones([2, 3], tf.float16))
    assert {gate.dtype for gate in gates} == {tf.float32}


def test_it_does_not_unroll():
    with pytest.raises(ValueError, match="cannot be unrolled"):
        GRU(3, unroll=True)
