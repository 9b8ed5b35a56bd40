"""The gated recurrent unit: one time step, and a fast layer over a sequence.

Shapes: B batch, T time steps, D input dim, U units. A recurrent loop reads one time
step after the other, so inside this module sequences are time-major, `(T, B, ...)`;
callers see `(B, T, ...)`.
"""

from itertools import pairwise
from typing import NamedTuple

import keras
import tensorflow as tf
from keras import ops

from translator.layers.checks import check_fraction, check_positive
from translator.layers.cudnn import choose_cudnn, run_cudnn
from translator.layers.dense import multiply_rows


class Gates(NamedTuple):
    """What a GRU decides in one step.

    Fields:
        update_gate: float, shape `(batch_size, units)`, in [0, 1]: the share of the
            previous state that is kept.
        reset_gate: float, shape `(batch_size, units)`, in [0, 1]: the share of the
            past that the candidate state sees.
        candidate_state: float, shape `(batch_size, units)`, in [-1, 1].
    """

    update_gate: object
    reset_gate: object
    candidate_state: object


@keras.saving.register_keras_serializable(package="translator")
class GRUCell(keras.layers.Layer):
    """Advances the state of a gated recurrent unit by one time step.

    The four equations, with the reset gate applied after the recurrent product
    (`reset_after=True`, the default here, in Keras, PyTorch and cuDNN):

        z = sigmoid(W_z x + b_z + U_z h_prev + d_z)        update gate
        r = sigmoid(W_r x + b_r + U_r h_prev + d_r)        reset gate
        c = tanh(W_h x + b_h + r * (U_h h_prev + d_h))     candidate state
        h = z * h_prev + (1 - z) * c                       new state

    and before it (`reset_after=False`, the paper's and most textbooks'):

        z = sigmoid(W_z x + b_z + U_z h_prev)
        r = sigmoid(W_r x + b_r + U_r h_prev)
        c = tanh(W_h x + b_h + U_h (r * h_prev))
        h = z * h_prev + (1 - z) * c

    x is the input, h_prev the state before the step, h the state after it, which is
    also the output; W are the input kernels, U the recurrent kernels, b the input
    biases, d the recurrent biases; * multiplies elementwise.

    Which way z points: here z is the share of the past that is kept, as in equation 7
    of the paper, in Keras, PyTorch and cuDNN. Chung et al. 2014 and many textbooks
    exchange z and 1 - z: h = (1 - z) * h_prev + z * c. Since
    1 - sigmoid(a) = sigmoid(-a), weights are converted between the two by negating
    W_z, U_z, b_z and d_z.

    With `layer_normalization`, W x and U h (or U (r * h)) are normalised before the
    biases are added, for each gate over its units, g being a trainable gain:

        LN(a) = g * (a - mean(a)) / sqrt(variance(a) + 1e-5)

    Source: Cho et al. 2014, "Learning Phrase Representations using RNN
    Encoder-Decoder for Statistical Machine Translation", section 2.3, equations 5 to 8
    (`reset_after=False`, no biases). Layer normalisation: Ba et al. 2016, "Layer
    Normalization", section 3.1 and appendix, with one mean for each gate instead of
    one for z and r together. Recurrent dropout: Gal and Ghahramani 2016, with the
    state's own path, z * h_prev, left whole.

    Args:
        units: Width of the state, at least 1.
        use_bias: Whether to add b and d.
        reset_after: Which of the two conventions above.
        layer_normalization: Whether to normalise the products.
        dropout: Fraction of the inputs dropped in training, at least 0 and below 1.
        recurrent_dropout: Fraction of h_prev dropped inside the recurrent products,
            in training.
        kernel_initializer: Of the input kernel, shape `(input_dim, 3 * units)`;
            columns in the order z, r, h, as in Keras.
        recurrent_initializer: Of the recurrent kernel, shape `(units, 3 * units)`.
        bias_initializer: Of the bias: rows b and d, shape `(2, 3 * units)`, with
            `reset_after`; else b alone, shape `(3 * units,)`.
        seed: Of the dropout masks.

    Call arguments:
        inputs: float, shape `(batch_size, input_dim)`.
        states: List of one state, float, shape `(batch_size, units)`.
        training: Whether to drop. Each call draws its own dropout masks; `GRU` draws
            one for all steps of a sequence.

    Returns:
        The output, shape `(batch_size, units)`, and the list of the new state, the
        same tensor.

    Raises:
        ValueError: `units` is no positive integer, or a dropout is out of its range.

    Example:
        >>> cell = GRUCell(4)
        >>> output, [state] = cell(ops.ones((2, 3)), cell.get_initial_state(2))
        >>> state.shape
        TensorShape([2, 4])
    """

    def __init__(
        self,
        units,
        use_bias=True,
        reset_after=True,
        layer_normalization=False,
        dropout=0.0,
        recurrent_dropout=0.0,
        kernel_initializer="glorot_uniform",
        recurrent_initializer="orthogonal",
        bias_initializer="zeros",
        seed=None,
        **kwargs,
    ):
        check_positive("units", units)
        check_fraction("dropout", dropout)
        check_fraction("recurrent_dropout", recurrent_dropout)
        super().__init__(**kwargs)
        self.units = units
        self.use_bias = use_bias
        self.reset_after = reset_after
        self.layer_normalization = layer_normalization
        self.dropout = dropout
        self.recurrent_dropout = recurrent_dropout
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.recurrent_initializer = keras.initializers.get(recurrent_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.seed = seed
        if dropout or recurrent_dropout:
            self.seed_generator = keras.random.SeedGenerator(seed)
        self.state_size = units
        self.output_size = units

    def build(self, inputs_shape):
        width = 3 * self.units
        self.kernel = self.add_weight(
            (inputs_shape[-1], width), self.kernel_initializer, name="kernel"
        )
        self.recurrent_kernel = self.add_weight(
            (self.units, width), self.recurrent_initializer, name="recurrent_kernel"
        )
        self.bias = None
        if self.use_bias:
            shape = (2, width) if self.reset_after else (width,)
            self.bias = self.add_weight(shape, self.bias_initializer, name="bias")
        if self.layer_normalization:
            self.input_gain = self.add_weight((width,), "ones", name="input_gain")
            self.recurrent_gain = self.add_weight(
                (width,), "ones", name="recurrent_gain"
            )

    def call(self, inputs, states, training=False):
        [previous_state] = states
        recurrent_mask = None
        if training:
            inputs = _multiply(inputs, self.input_mask(inputs))
            recurrent_mask = self.recurrent_mask(previous_state)
        state = self.step(self.project(inputs), previous_state, recurrent_mask)
        return state, [state]

    def project(self, inputs):
        """Returns W x + b, the part of a step that no state enters.

        Args:
            inputs: float, shape `(..., input_dim)`: one step or any number of them.

        Returns:
            float, shape `(..., 3 * units)`, in the order z, r, h.
        """
        projected = multiply_rows(inputs, self.kernel)
        if self.layer_normalization:
            projected = self._normalize(projected, self.input_gain)
        if self.bias is None:
            return projected
        return projected + (self.bias[0] if self.reset_after else self.bias)

    def step(self, projected_inputs, state, recurrent_mask=None):
        """Advances the state by one step whose input is projected already.

        Args:
            projected_inputs: float, shape `(batch_size, 3 * units)`, from `project`.
            state: float, shape `(batch_size, units)`.
            recurrent_mask: From `recurrent_mask`; `None` drops nothing.

        Returns:
            The new state, shape `(batch_size, units)`.
        """
        z, _, c = self._gates(projected_inputs, state, recurrent_mask)
        return z * state + (1 - z) * c

    def gates(self, inputs, state):
        """Returns the `Gates` of one step, to look inside, in the weights' precision.

        Args:
            inputs: float, shape `(batch_size, input_dim)`.
            state: float, shape `(batch_size, units)`.

        Raises:
            ValueError: The cell was neither called nor built yet.
        """
        if not self.built:
            raise ValueError(f"{self.name} has no weights yet. Call it first.")
        inputs, state = (ops.cast(x, self.variable_dtype) for x in (inputs, state))
        return self._gates(self.project(inputs), state)

    def recurrent_mask(self, state):
        """Draws the factor of a state inside the recurrent products.

        Returns:
            float, as `state`; `None` without recurrent dropout.
        """
        return self._dropout_mask(state, self.recurrent_dropout)

    def input_mask(self, inputs):
        """Draws the factor of the inputs, `None` without dropout."""
        return self._dropout_mask(inputs, self.dropout)

    def _dropout_mask(self, factor_of, rate):
        if not rate:
            return None
        ones = ops.ones_like(factor_of)
        return keras.random.dropout(ones, rate, seed=self.seed_generator)

    def _gates(self, projected_inputs, state, recurrent_mask=None):
        x_z, x_r, x_h = ops.split(projected_inputs, 3, axis=-1)
        seen_state = _multiply(state, recurrent_mask)
        if self.reset_after:
            product = self._recurrent_product(seen_state, 0, 3)
            h_z, h_r, past = ops.split(product, 3, axis=-1)
        else:
            product = self._recurrent_product(seen_state, 0, 2)
            h_z, h_r = ops.split(product, 2, axis=-1)
        z = ops.sigmoid(x_z + h_z)
        r = ops.sigmoid(x_r + h_r)
        if self.reset_after:
            c = ops.tanh(x_h + r * past)
        else:
            c = ops.tanh(x_h + self._recurrent_product(r * seen_state, 2, 3))
        return Gates(z, r, c)

    def _recurrent_product(self, state, first, last):
        """U h + d for the gates `first` to `last`, in the order z, r, h."""
        columns = slice(first * self.units, last * self.units)
        product = ops.matmul(state, self.recurrent_kernel[:, columns])
        if self.layer_normalization:
            product = self._normalize(product, self.recurrent_gain[columns])
        if self.bias is None or not self.reset_after:
            return product
        return product + self.bias[1, columns]

    def _normalize(self, products, gain):
        shape = ops.shape(products)
        products = ops.reshape(products, (*shape[:-1], -1, self.units))  # each gate
        normalized = ops.layer_normalization(products, axis=-1, epsilon=1e-5)
        return ops.reshape(normalized, shape) * gain

    def get_initial_state(self, batch_size=None):
        return [ops.zeros((batch_size, self.units), dtype=self.compute_dtype)]

    def get_config(self):
        serialize = keras.initializers.serialize
        return super().get_config() | {
            "units": self.units,
            "use_bias": self.use_bias,
            "reset_after": self.reset_after,
            "layer_normalization": self.layer_normalization,
            "dropout": self.dropout,
            "recurrent_dropout": self.recurrent_dropout,
            "kernel_initializer": serialize(self.kernel_initializer),
            "recurrent_initializer": serialize(self.recurrent_initializer),
            "bias_initializer": serialize(self.bias_initializer),
            "seed": self.seed,
        }


@keras.saving.register_keras_serializable(package="translator")
class GRU(keras.layers.RNN):
    """Runs a `GRUCell` over a sequence: equal to looping over the cell, but faster.

    The input products of all steps are one large product before the loop, and the
    gradients of all kernels one large product each after it; only the recurrent
    product stays inside (`_Loop`). With layer normalisation the loop is differentiated
    automatically instead.

    A masked step keeps the state. Its output repeats the output before it (zero where
    there is none), or is zero with `zero_output_for_mask`, as in `keras.layers.GRU`.
    Padding must be finite, and changes neither the outputs at real steps nor the state.

    The gradient is exact, and so are further ones.

    Args:
        units: Width of the state, at least 1.
        use_bias, reset_after, layer_normalization, dropout, recurrent_dropout,
            kernel_initializer, recurrent_initializer, bias_initializer, seed: See
            `GRUCell`. One dropout mask is drawn for all steps of a sequence.
        return_sequences: Whether to return the outputs of all steps or the last one.
        return_state: Whether to return the final state, too.
        go_backwards: Whether to read from the last step to the first; the outputs
            come in the order of reading.
        stateful: Whether a batch starts from the state that the last one left.
        zero_output_for_mask: Whether masked steps put out zeros. Only
            `keras.layers.Bidirectional` sets it in its layers, by itself.
        num_parts: Parts of a batch that run side by side. The steps of a sequence wait
            for each other, and each is too small for many cores: on a CPU one part a
            core is faster, where nothing else is there to keep the cores busy.
            (`TrainStep` cuts the batch of a whole network.)
        use_cudnn: "auto" trains with cuDNN where it can (`supports_cudnn`); real steps
            must then come first in every mask. All else, exports too, runs the loop,
            as `False` always does.

    Call arguments:
        sequences: float, shape `(batch_size, time_steps, input_dim)`.
        initial_state: float, shape `(batch_size, units)`, or a list of it; `None` is
            zero.
        mask: bool, shape `(batch_size, time_steps)`, `True` = real step; `None` if all
            are.
        training: Whether to drop.

    Returns:
        The output, shape `(batch_size, units)`, or with `return_sequences`
        `(batch_size, time_steps, units)`; with `return_state` also the final state,
        shape `(batch_size, units)`.

    Raises:
        ValueError: As `GRUCell`; the sequences are not of rank 3; `unroll`, which
            this layer does not have.

    Example:
        >>> layer = GRU(4, return_sequences=True, return_state=True)
        >>> outputs, state = layer(ops.ones((2, 5, 3)))
        >>> outputs.shape
        TensorShape([2, 5, 4])
    """

    def __init__(
        self,
        units,
        use_bias=True,
        reset_after=True,
        layer_normalization=False,
        dropout=0.0,
        recurrent_dropout=0.0,
        kernel_initializer="glorot_uniform",
        recurrent_initializer="orthogonal",
        bias_initializer="zeros",
        seed=None,
        return_sequences=False,
        return_state=False,
        go_backwards=False,
        stateful=False,
        zero_output_for_mask=False,
        use_cudnn=False,
        num_parts=1,
        **kwargs,
    ):
        check_positive("num_parts", num_parts)
        if kwargs.pop("unroll", False):
            raise ValueError("GRU cannot be unrolled. Leave unroll out.")
        cell = GRUCell(
            units,
            use_bias=use_bias,
            reset_after=reset_after,
            layer_normalization=layer_normalization,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            seed=seed,
            dtype=kwargs.get("dtype"),
            trainable=kwargs.get("trainable", True),
            name="gru_cell",
        )
        super().__init__(
            cell,
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            zero_output_for_mask=zero_output_for_mask,
            **kwargs,
        )
        self.input_spec = keras.layers.InputSpec(ndim=3)
        self.num_parts = num_parts
        self.use_cudnn = use_cudnn
        self.runs_cudnn = choose_cudnn(use_cudnn, cell)
        self.supports_jit = not self.runs_cudnn  # XLA has no cuDNN

    @property
    def units(self):
        return self.cell.units

    def inner_loop(self, sequences, initial_state, mask, training=False):
        """Overrides the loop of `keras.layers.RNN`.

        Returns:
            The last output, the outputs in the order of reading, the final states.
        """
        [state] = initial_state
        inputs = [sequences, state] if mask is None else [sequences, state, mask]
        run = self._run if self.num_parts == 1 else self._run_parts
        last_output, outputs, state = run(*inputs, training=training)
        outputs.set_shape([*sequences.shape[:2], self.units])
        return last_output, outputs, [state]

    def _run_parts(self, *inputs, training):
        """Runs some rows after the others; TensorFlow runs what it can side by side."""
        num_rows = tf.shape(inputs[0])[0]
        ends = [num_rows * part // self.num_parts for part in range(self.num_parts + 1)]
        parts = [
            self._run(*(x[start:end] for x in inputs), training=training)
            for start, end in pairwise(ends)
        ]
        return [tf.concat(tensors, axis=0) for tensors in zip(*parts, strict=True)]

    def _run(self, sequences, state, mask=None, training=False):
        """Runs some rows: the last output, the outputs, the final state."""
        cell = self.cell
        recurrent_mask = None
        if training:
            sequences = _multiply(sequences, cell.input_mask(sequences[:, :1]))
            recurrent_mask = cell.recurrent_mask(state)
            if self.runs_cudnn:
                options = self.go_backwards, self.zero_output_for_mask
                last_output, outputs, [state] = run_cudnn(
                    cell, sequences, state, mask, *options
                )
                return last_output, outputs, state
        projected = cell.project(self._in_reading_order(sequences))  # (T, B, 3U)
        if mask is not None:
            mask = self._in_reading_order(tf.cast(mask, tf.bool)[:, :, None])
        loop = self._loop_over_cell if cell.layer_normalization else self._fast_loop
        outputs, state = loop(projected, state, mask, recurrent_mask, bool(training))
        last_output = state
        if mask is not None:
            shown = self._shown(mask)
            outputs = tf.where(shown, outputs, tf.zeros([], outputs.dtype))
            last_output = tf.where(shown[-1], state, tf.zeros([], state.dtype))
        return last_output, tf.transpose(outputs, [1, 0, 2]), state

    def _in_reading_order(self, sequences):
        """Puts steps first, the one that is read first in front."""
        steps = tf.transpose(sequences, [1, 0, 2])
        return tf.reverse(steps, [0]) if self.go_backwards else steps

    def _shown(self, mask):
        """Where the output is the state: at real steps and, by default, after one."""
        if self.zero_output_for_mask:
            return mask
        return tf.cumsum(tf.cast(mask, tf.int32)) > 0

    def _loop_over_cell(self, projected, state, mask, recurrent_mask, training):
        """Calls `cell.step` for each step, differentiated automatically."""
        num_steps = tf.shape(projected)[0]
        # One place more than steps: an array of no known shape needs an element.
        states = tf.TensorArray(state.dtype, num_steps + 1, element_shape=state.shape)

        def advance(index, state, states):
            new_state = self.cell.step(projected[index], state, recurrent_mask)
            if mask is not None:
                new_state = tf.where(mask[index], new_state, state)
            return index + 1, new_state, states.write(index + 1, new_state)

        _, state, states = tf.while_loop(
            lambda index, *_: index < num_steps,
            advance,
            (0, state, states.write(0, state)),
            maximum_iterations=num_steps,  # XLA wants it
        )
        return states.stack()[1:], state

    def _fast_loop(self, projected, state, mask, recurrent_mask, training):
        cell = self.cell
        kernel = tf.convert_to_tensor(cell.recurrent_kernel)
        bias = tf.zeros([3 * cell.units], kernel.dtype)
        if cell.use_bias and cell.reset_after:
            bias = tf.convert_to_tensor(cell.bias)[1]
        loop = _Loop(cell.reset_after, mask, recurrent_mask, training)
        return loop(projected, state, kernel, bias)

    def get_config(self):
        config = self.cell.get_config() | super().get_config()
        config |= {"use_cudnn": self.use_cudnn, "num_parts": self.num_parts}
        return {key: config[key] for key in config if key not in ("cell", "unroll")}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


class _Loop:
    """Runs a GRU over projected inputs, with a gradient of our own.

    Automatic differentiation adds up the gradient of the recurrent kernel in the
    backward loop, one small product a step, and computes the gates once more. Here the
    gates are kept, a step carries the gradient of the state back and no more, and the
    gradients of the kernel and the bias are made after the loop, for all steps at once:
    the kernel's as one large product.

    A masked step is one whose update gate is 1: the state stays, and all derivatives
    are zero, so that the backward loop needs no mask.

    Args:
        reset_after: Which of the conventions of `GRUCell`.
        mask: bool, shape `(time_steps, batch_size, 1)`, `True` = real step; or `None`.
        recurrent_mask: Dropout factor, shape `(batch_size, units)`; or `None`.
        training: Whether the gradient keeps the gates in the arrays of the loop: to
            stack them takes a sixteenth of a network's training step. Elsewhere they
            are stacked, as no SavedModel can hold a gradient with arrays in it.

    Call arguments:
        projected: W x + b of all steps, shape `(time_steps, batch_size, 3 * units)`.
        state: The initial state, shape `(batch_size, units)`.
        kernel: The recurrent kernel U, shape `(units, 3 * units)`.
        bias: The recurrent bias d, shape `(3 * units,)`; zero without `reset_after`.

    Returns:
        The states after each step, shape `(time_steps, batch_size, units)`, and the
        last of them.
    """

    def __init__(self, reset_after, mask=None, recurrent_mask=None, training=False):
        self.reset_after = reset_after
        self.training = training
        self.mask = mask
        self.recurrent_mask = recurrent_mask

    def __call__(self, projected, state, kernel, bias):
        @tf.custom_gradient
        def run(projected, state, kernel, bias):
            states, gates = self.forward(projected, state, kernel, bias)
            if not self.training:
                gates = tuple(map(_stacked, gates))

            def gradient(d_outputs, d_final_state):
                return self.backward(d_outputs, d_final_state, states, gates, kernel)

            return (states[1:], states[-1]), gradient

        return run(projected, state, kernel, bias)

    def forward(self, projected, state, kernel, bias):
        """Returns the states, the initial one first, and arrays of what made them.

        The arrays hold references, not copies: without a backward pass they cost
        memory for as long as the loop runs, but no time that could be measured.
        """
        num_steps = tf.shape(projected)[0]
        # Cut once, not at each step.
        kernel_zr, kernel_h = _split_zr_h(kernel)
        bias_zr, bias_h = _split_zr_h(bias)
        projected_zr, projected_h = _split_zr_h(projected)
        projected_zr += bias_zr

        def advance(index, state, states, saved):
            seen_state = _multiply(state, self.recurrent_mask)
            gates = tf.sigmoid(projected_zr[index] + tf.matmul(seen_state, kernel_zr))
            z, r = tf.split(gates, 2, axis=-1)
            if self.reset_after:
                past = tf.nn.bias_add(tf.matmul(seen_state, kernel_h), bias_h)
                c = tf.tanh(projected_h[index] + r * past)
            else:
                past = seen_state
                c = tf.tanh(projected_h[index] + tf.matmul(r * past, kernel_h))
            if self.mask is not None:
                z = tf.maximum(z, tf.cast(~self.mask[index], z.dtype))
            state = z * state + (1 - z) * c
            saved = _write(saved, index, (z, r, c, past))
            return index + 1, state, states.write(index + 1, state), saved

        states = _array(num_steps + 1, state).write(0, state)
        saved = tuple(_array(num_steps, state) for _ in range(4))
        _, _, states, saved = tf.while_loop(
            lambda index, *_: index < num_steps, advance, (0, state, states, saved)
        )
        return states.stack(), saved

    def backward(self, d_outputs, d_state, states, gates, kernel):
        """Returns the gradients by projected inputs, state, kernel and bias."""
        num_steps = tf.shape(d_outputs)[0]
        # Once: products with transpose_b=True take longer.
        kernel_zr, kernel_h = map(tf.transpose, _split_zr_h(kernel))

        def retreat(index, d_state, arrays):
            z, r, c, past = (
                own.read(index) if self.training else own[index] for own in gates
            )
            d_state += d_outputs[index]
            # By the sums inside sigmoid and tanh:
            d_new = d_state * (1 - z)
            d_z = d_new * z * (states[index] - c)
            d_c = d_new * (1 - c * c)
            d_reset = d_c if self.reset_after else tf.matmul(d_c, kernel_h)
            d_past = d_reset * r
            d_zr = tf.concat([d_z, d_past * past * (1 - r)], axis=-1)
            d_seen_state = tf.matmul(d_zr, kernel_zr)
            if self.reset_after:
                d_seen_state += tf.matmul(d_past, kernel_h)
            else:
                d_seen_state += d_past
            d_state = d_state * z + _multiply(d_seen_state, self.recurrent_mask)
            return index - 1, d_state, _write(arrays, index, (d_zr, d_c, d_past))

        arrays = tuple(_array(num_steps, d_state, width) for width in (2, 1, 1))
        _, d_state, arrays = tf.while_loop(
            lambda index, *_: index >= 0, retreat, (num_steps - 1, d_state, arrays)
        )
        d_zr, d_c, d_past = (array.stack() for array in arrays)
        _, r, _, past = gates
        seen_states = _multiply(states[:-1], self.recurrent_mask)
        # The reset gate stands behind or before the product with the kernel.
        if self.reset_after:
            seen_by_h, d_h = seen_states, d_past
        else:
            seen_by_h, d_h = _stacked(r) * _stacked(past), d_c
        d_kernel = [_outer_products(seen_states, d_zr), _outer_products(seen_by_h, d_h)]
        d_bias = [tf.reduce_sum(gradient, axis=[0, 1]) for gradient in (d_zr, d_h)]
        d_projected = tf.concat([d_zr, d_c], axis=-1)
        return d_projected, d_state, tf.concat(d_kernel, -1), tf.concat(d_bias, -1)


def _stacked(steps):
    return steps.stack() if isinstance(steps, tf.TensorArray) else steps


def _split_zr_h(columns):
    """Cuts columns in the order z, r, h into those of z and r, and those of h."""
    units = columns.shape[-1] // 3
    return tf.split(columns, [2 * units, units], axis=-1)


def _outer_products(rows, columns):
    """Sums the outer products of all steps and sentences: one matrix product."""
    rows, columns = (tf.reshape(x, [-1, x.shape[-1]]) for x in (rows, columns))
    return tf.matmul(rows, columns, transpose_a=True)


def _array(size, state, num_gates=1):
    """An array of `size` tensors of the state's shape, or of so many side by side."""
    batch_size, units = state.shape
    return tf.TensorArray(
        state.dtype,
        size,
        element_shape=[batch_size, num_gates * units],
        clear_after_read=False,
    )


def _write(arrays, index, values):
    return tuple(
        array.write(index, value) for array, value in zip(arrays, values, strict=True)
    )


def _multiply(inputs, factor):
    return inputs if factor is None else inputs * factor
