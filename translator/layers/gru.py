"""The gated recurrent unit: one time step, and a fast layer over a sequence.

Shapes: B batch, T time steps, D input dim, U units. A recurrent loop reads one time
step after another, so inside this module sequences are time-major, `(T, B, ...)`;
callers see `(B, T, ...)`.
"""

from typing import NamedTuple

import keras
import tensorflow as tf
from keras import ops

# Input of the update gate on a masked step: sigmoid(HOLD) is exactly 1 in every float
# type, and small enough for float16.
HOLD = 1e4


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
    (`reset_after=True`, the default; also cuDNN's, PyTorch's and Keras'):

        z = sigmoid(W_z x + b_z + U_z h_prev + d_z)            update gate
        r = sigmoid(W_r x + b_r + U_r h_prev + d_r)            reset gate
        c = tanh(W_h x + b_h + r * (U_h h_prev + d_h))         candidate state
        h = z * h_prev + (1 - z) * c                           new state

    and before it (`reset_after=False`, the paper's and most textbooks'):

        z = sigmoid(W_z x + b_z + U_z h_prev)
        r = sigmoid(W_r x + b_r + U_r h_prev)
        c = tanh(W_h x + b_h + U_h (r * h_prev))
        h = z * h_prev + (1 - z) * c

    x is the input, h_prev the state before and h the state after the step, which is
    also the output; W are the input kernels, U the recurrent kernels, b the input
    biases, d the recurrent biases; * multiplies elementwise.

    Which way z points: here z is the share of the past that is kept, as in the
    original paper, Keras, PyTorch and cuDNN. Chung et al. 2014 and many textbooks
    exchange z and 1 - z: h = (1 - z) * h_prev + z * c. Because
    1 - sigmoid(a) = sigmoid(-a), weights are converted between the two by negating
    W_z, U_z, b_z and d_z.

    Source: Cho et al. 2014, "Learning Phrase Representations using RNN
    Encoder-Decoder for Statistical Machine Translation", section 2.3, equations 5 to
    8 (`reset_after=False`).
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
        _check_units(units)
        _check_fraction("dropout", dropout)
        _check_fraction("recurrent_dropout", recurrent_dropout)
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
        self.kernel = self.add_weight(
            shape=(inputs_shape[-1], 3 * self.units),
            initializer=self.kernel_initializer,
            name="kernel",
        )
        self.recurrent_kernel = self.add_weight(
            shape=(self.units, 3 * self.units),
            initializer=self.recurrent_initializer,
            name="recurrent_kernel",
        )
        self.bias = None
        if self.use_bias:
            rows = (2,) if self.reset_after else ()
            self.bias = self.add_weight(
                shape=(*rows, 3 * self.units),
                initializer=self.bias_initializer,
                name="bias",
            )
        if self.layer_normalization:
            self.input_gain = self.add_weight(
                shape=(3 * self.units,), initializer="ones", name="input_gain"
            )
            self.recurrent_gain = self.add_weight(
                shape=(3 * self.units,), initializer="ones", name="recurrent_gain"
            )

    def call(self, inputs, states, training=False):
        previous_state = states[0]
        if training:
            inputs = _apply(self.input_mask(inputs), inputs)
        recurrent_mask = self.recurrent_mask(previous_state) if training else None
        state = self.step(self.project(inputs), previous_state, recurrent_mask)
        return state, [state]

    def project(self, inputs):
        """Multiplies inputs with the input kernel: the part that no state enters.

        Args:
            inputs: float, shape `(..., input_dim)`: a step or any number of them.

        Returns:
            float, shape `(..., 3 * units)`, in the order z, r, h.
        """
        projected = ops.matmul(inputs, self.kernel)
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
        z, _, candidate = self._gates(projected_inputs, state, recurrent_mask)
        return z * state + (1 - z) * candidate

    def gates(self, inputs, state):
        """Returns the `Gates` of one step, to look inside.

        Args:
            inputs: float, shape `(batch_size, input_dim)`.
            state: float, shape `(batch_size, units)`.
        """
        return self._gates(self.project(inputs), state)

    def _gates(self, projected_inputs, state, recurrent_mask=None):
        x_z, x_r, x_h = ops.split(projected_inputs, 3, axis=-1)  # (B, U) each
        state = _apply(recurrent_mask, state)
        if self.reset_after:
            h_z, h_r, h_h = ops.split(self._recurrent_product(state, 0, 3), 3, axis=-1)
        else:
            h_z, h_r = ops.split(self._recurrent_product(state, 0, 2), 2, axis=-1)
        z = ops.sigmoid(x_z + h_z)
        r = ops.sigmoid(x_r + h_r)
        if self.reset_after:
            candidate = ops.tanh(x_h + r * h_h)
        else:
            candidate = ops.tanh(x_h + self._recurrent_product(r * state, 2, 3))
        return Gates(z, r, candidate)

    def _recurrent_product(self, state, first, last):
        """U h + d for the gates number `first` up to `last`."""
        columns = slice(first * self.units, last * self.units)
        product = ops.matmul(state, self.recurrent_kernel[:, columns])
        if self.layer_normalization:
            product = self._normalize(product, self.recurrent_gain[columns])
        if self.bias is None or not self.reset_after:
            return product
        return product + self.bias[1, columns]

    def _normalize(self, products, gain):
        """Normalises the units of each gate to mean 0 and variance 1, then scales."""
        shape = ops.shape(products)
        gates = ops.reshape(products, (*shape[:-1], -1, self.units))
        gates = ops.layer_normalization(gates, axis=-1, epsilon=1e-5)
        return ops.reshape(gates, shape) * gain

    def input_mask(self, inputs):
        """Draws a dropout factor for inputs of a shape, `None` without dropout."""
        return self._dropout_mask(inputs, self.dropout)

    def recurrent_mask(self, state):
        """Draws a dropout factor for a state, `None` without recurrent dropout."""
        return self._dropout_mask(state, self.recurrent_dropout)

    def _dropout_mask(self, like, rate):
        if not rate:
            return None
        return keras.random.dropout(ops.ones_like(like), rate, seed=self.seed_generator)

    def get_initial_state(self, batch_size=None):
        return [ops.zeros((batch_size, self.units), dtype=self.compute_dtype)]

    def get_config(self):
        return super().get_config() | {
            "units": self.units,
            "use_bias": self.use_bias,
            "reset_after": self.reset_after,
            "layer_normalization": self.layer_normalization,
            "dropout": self.dropout,
            "recurrent_dropout": self.recurrent_dropout,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "recurrent_initializer": keras.initializers.serialize(
                self.recurrent_initializer
            ),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "seed": self.seed,
        }


@keras.saving.register_keras_serializable(package="translator")
class GRU(keras.layers.RNN):
    """Runs a `GRUCell` over a sequence."""

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
        **kwargs,
    ):
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

    @property
    def units(self):
        return self.cell.units

    def inner_loop(self, sequences, initial_state, mask, training=False):
        """Replaces Keras' loop over the cell; equal to it, and faster."""
        cell = self.cell
        [state] = initial_state
        recurrent_mask = None
        if training:
            # One mask for all steps of a sequence.
            sequences = _apply(cell.input_mask(sequences[:, :1]), sequences)
            recurrent_mask = cell.recurrent_mask(state)
        projected = cell.project(tf.transpose(sequences, [1, 0, 2]))  # (T, B, 3U)
        if mask is not None:
            mask = tf.transpose(tf.cast(mask, tf.bool))[:, :, None]  # (T, B, 1)
            projected = _hold_masked(projected, mask, self.units)
        outputs, final_state = self._loop(projected, state, recurrent_mask)
        if mask is not None:
            outputs = self._hide_masked(outputs, mask)

        return outputs[-1], tf.transpose(outputs, [1, 0, 2]), [final_state]

    def _loop(self, projected, state, recurrent_mask):
        num_steps = tf.shape(projected)[0]
        states = tf.TensorArray(state.dtype, num_steps + 1, element_shape=state.shape)
        states = states.write(0, state)

        def advance(index, state, states):
            position = num_steps - 1 - index if self.go_backwards else index
            state = self.cell.step(projected[position], state, recurrent_mask)
            return index + 1, state, states.write(index + 1, state)

        _, state, states = tf.while_loop(
            lambda index, *_: index < num_steps, advance, (0, state, states)
        )
        return states.stack()[1:], state  # (T, B, U), (B, U)

    def _hide_masked(self, outputs, mask):
        """Zeroes the outputs that Keras zeroes; the others repeat what came before."""
        if self.go_backwards:
            mask = tf.reverse(mask, [0])
        if not self.zero_output_for_mask:  # then only those before the first real step
            mask = tf.cumsum(tf.cast(mask, tf.int32)) > 0
        return tf.where(mask, outputs, tf.zeros([], outputs.dtype))

    def get_config(self):
        config = self.cell.get_config() | super().get_config()
        return {key: config[key] for key in config if key not in ("cell", "unroll")}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


def _hold_masked(projected, mask, units):
    """Makes the masked steps keep their state: their update gate becomes 1."""
    x_z, x_rest = tf.split(projected, [units, 2 * units], axis=-1)
    x_z = tf.where(mask, x_z, tf.constant(HOLD, x_z.dtype))
    return tf.concat([x_z, x_rest], axis=-1)


def _apply(factor, inputs):
    return inputs if factor is None else inputs * factor


def _check_units(units):
    if not isinstance(units, int) or units < 1:
        raise ValueError(
            f"units must be a positive integer. Received: units={units!r}."
        )


def _check_fraction(name, value):
    if not 0 <= value < 1:
        raise ValueError(
            f"{name} must be at least 0 and below 1, the fraction to drop. "
            f"Received: {name}={value!r}."
        )
