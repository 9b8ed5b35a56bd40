"""The decoder: from what is written so far and the source to the next token.

Two wirings of the same parts, with one interface:

- `ClassicDecoder`: each step's context vector is an input of the next step, so the
  steps of a sentence wait for each other, attention and all (Luong et al. 2015,
  "input feeding").
- `ParallelDecoder`: the first GRU layer reads the target tokens alone, attention looks
  at the source for all positions in one product, further GRU layers read both. No step
  waits for attention, so training is several times faster.

Both have a `step` for search and a `call` for training that gives the same numbers
for a known target. They return features, one vector of the embedding's width a
position; the model turns features into logits.

Shapes: B batch, S source length, T target length, K hypotheses of a sentence,
N = B * K rows, E embedding dim, U units, D width of the context vector.
"""

from typing import NamedTuple

import keras
import tensorflow as tf
from keras import ops

from translator.layers.attention import AttentionMemory
from translator.layers.checks import check_positive
from translator.layers.dense import Dense
from translator.layers.dropout import Dropout
from translator.layers.gru import GRU, GRUCell


class DecoderOutput(NamedTuple):
    """Result of a teacher-forced pass.

    Fields:
        features: float, shape `(batch_size, target_length, embedding_dim)`.
        attention_weights: float, shape `(batch_size, target_length, source_length)`.
    """

    features: object
    attention_weights: object


class DecoderStep(NamedTuple):
    """Result of one step.

    Fields:
        features: float, shape `(num_rows, embedding_dim)`.
        state: The state to give to the next step.
        attention_weights: float, shape `(num_rows, source_length)`.
    """

    features: object
    state: object
    attention_weights: object


def run_cell(cell, inputs, state, recurrent_mask=None):
    """Returns the new state of a `GRUCell`, shape `(num_rows, units)`."""
    if recurrent_mask is None:  # a call casts the weights, also outside of `call`
        return cell(inputs, [state])[0]
    return cell.step(cell.project(inputs), state, recurrent_mask)


class _Decoder(keras.layers.Layer):
    """What both wirings share: attention, readout, configuration.

    The readout is Luong's attentional vector, tanh(W [state; context] + b), of the
    embedding's width.
    """

    def __init__(
        self,
        units,
        output_dim,
        attention,
        num_layers=2,
        dropout=0.0,
        recurrent_dropout=0.0,
        reset_after=True,
        layer_normalization=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_positive("num_layers", num_layers)
        self.units = units
        self.output_dim = output_dim
        self.num_layers = num_layers
        self.attention = attention
        self.recurrent_dropout = recurrent_dropout
        self.reset_after = reset_after
        self.layer_normalization = layer_normalization
        dtype = self.dtype_policy
        self.dropout = Dropout(dropout, dtype=dtype, name="dropout")
        self.readout = Dense(output_dim, activation="tanh", dtype=dtype, name="readout")

    def _build_attention(self, query_shape, outputs_shape):
        if not self.attention.built:  # as it is when it was deserialised
            self.attention.build(query_shape, outputs_shape)

    def memory(self, encoder_outputs, source_mask):
        """Returns the `AttentionMemory` that every step of a sentence looks at."""
        return self.attention.memory(encoder_outputs, source_mask)

    def initial_state(self, bridge_states):
        """Returns the state before the first token, from the bridge's states."""
        return tuple(bridge_states)

    def _attend(self, query, memory):
        """Looks at the source for `(N, U)` queries, K of them for each sentence.

        The memory has one row a sentence and is never repeated for its hypotheses.
        """
        memory = AttentionMemory(*memory)
        num_sentences, source_length = tf.unstack(tf.shape(memory.mask))
        num_rows = tf.shape(query)[0]
        # The quotient is exact; an empty batch must not divide by zero.
        num_hypotheses = num_rows // tf.maximum(num_sentences, 1)
        query = tf.reshape(query, [num_sentences, num_hypotheses, self.units])
        context_vector, weights = self.attention(query, memory)
        return (
            tf.reshape(context_vector, [num_rows, context_vector.shape[-1]]),  # (N, D)
            tf.reshape(weights, [num_rows, source_length]),  # (N, S)
        )

    def get_config(self):
        return super().get_config() | {
            "units": self.units,
            "output_dim": self.output_dim,
            "attention": keras.saving.serialize_keras_object(self.attention),
            "num_layers": self.num_layers,
            "dropout": self.dropout.rate,
            "recurrent_dropout": self.recurrent_dropout,
            "reset_after": self.reset_after,
            "layer_normalization": self.layer_normalization,
        }

    @classmethod
    def from_config(cls, config):
        attention = keras.saving.deserialize_keras_object(config["attention"])
        return cls(**(config | {"attention": attention}))


@keras.saving.register_keras_serializable(package="translator")
class ParallelDecoder(_Decoder):
    """GRU over the target, attention for all positions at once, GRU over both.

        a_t = GRU_1(y_(t-1), a_(t-1))
        m_t = attention(a_t, source)
        s_t = GRU_2([a_t; m_t], s_(t-1))
        features_t = tanh(W [s_t; m_t] + b)

    y is the embedded target token, a and s are GRU states, m the context vector. A
    third layer, and each further one, reads the states below alone; then s is the
    highest one's.

    Source: the first layer queries and no context feeds back, as in Wu et al. 2016,
    "Google's Neural Machine Translation System", section 3; the readout is equation 5
    of Luong et al. 2015.

    Args:
        units: Units U of each GRU layer.
        output_dim: Width of the features, the embedding's.
        attention: An attention layer.
        num_layers: GRU layers, at least 2.
        dropout: Fraction dropped of each layer's input, in training.
        recurrent_dropout: Fraction of the state dropped inside the recurrent product.
        reset_after: The GRU's convention, see `GRUCell`.
        layer_normalization: See `GRUCell`.

    Call arguments:
        inputs: float, shape `(batch_size, target_length, embedding_dim)`: the embedded
            target input, BOS first.
        state: From `initial_state`.
        memory: `AttentionMemory`, from `memory`.
        training: Whether to drop.

    Returns:
        `DecoderOutput`.

    Raises:
        ValueError: `num_layers` below 2.
    """

    def __init__(self, units, output_dim, attention, num_layers=2, **kwargs):
        super().__init__(units, output_dim, attention, num_layers, **kwargs)
        if num_layers < 2:
            raise ValueError(
                "ParallelDecoder needs num_layers of at least 2: one below and one "
                f"above attention. Received: {num_layers}. Use ClassicDecoder for one."
            )
        self.gru_layers = [
            GRU(
                units,
                return_sequences=True,
                use_cudnn="auto",
                recurrent_dropout=self.recurrent_dropout,
                reset_after=self.reset_after,
                layer_normalization=self.layer_normalization,
                dtype=self.dtype_policy,
                name=f"gru_{index}",
            )
            for index in range(num_layers)
        ]

    def build(self, inputs_shape, outputs_shape):
        query_shape = (*inputs_shape[:-1], self.units)
        context_dim = self.attention.context_dim(outputs_shape[-1])
        both_shape = (*inputs_shape[:-1], self.units + context_dim)
        self._build_attention(query_shape, outputs_shape)
        self.gru_layers[0].build(inputs_shape)
        self.gru_layers[1].build(both_shape)
        for layer in self.gru_layers[2:]:
            layer.build(query_shape)
        self.readout.build(both_shape)

    def call(self, inputs, state, memory, training=False):
        first, *upper = self.gru_layers
        first_state, *upper_states = state
        query = first(  # (B, T, U)
            self.dropout(inputs, training=training),
            initial_state=first_state,
            training=training,
        )
        context_vector, attention_weights = self.attention(query, memory)
        outputs = ops.concatenate([query, context_vector], axis=-1)  # (B, T, U + D)
        for layer, layer_state in zip(upper, upper_states, strict=True):
            outputs = layer(  # (B, T, U)
                self.dropout(outputs, training=training),
                initial_state=layer_state,
                training=training,
            )
        outputs = ops.concatenate([outputs, context_vector], axis=-1)
        features = self.readout(self.dropout(outputs, training=training))
        return DecoderOutput(
            self.dropout(features, training=training), attention_weights
        )

    def step(self, inputs, state, memory):
        """Advances by one token.

        Args:
            inputs: float, shape `(num_rows, embedding_dim)`.
            state: From `initial_state` or the step before, `num_rows` rows.
            memory: `AttentionMemory` of `batch_size` sentences; `num_rows` is a
                multiple of it, the rows of one sentence beside each other.

        Returns:
            `DecoderStep`.
        """
        first, *upper = self.gru_layers
        first_state, *upper_states = state
        query = run_cell(first.cell, inputs, first_state)
        context_vector, attention_weights = self._attend(query, memory)
        outputs = ops.concatenate([query, context_vector], axis=-1)
        new_states = [query]
        for layer, layer_state in zip(upper, upper_states, strict=True):
            outputs = run_cell(layer.cell, outputs, layer_state)
            new_states.append(outputs)
        outputs = ops.concatenate([outputs, context_vector], axis=-1)
        return DecoderStep(self.readout(outputs), tuple(new_states), attention_weights)


@keras.saving.register_keras_serializable(package="translator")
class ClassicDecoder(_Decoder):
    """Stacked GRU cells whose context vector feeds the next step.

        s_t = GRU([y_(t-1); m_(t-1)], s_(t-1))     stacked layers
        m_t = attention(s_t, source)
        features_t = tanh(W [s_t; m_t] + b)

    y is the embedded target token, s the top GRU state, m the context vector (zero at
    the start).

    Source: Luong et al. 2015, sections 3.1 (equation 5) and 3.3 ("input feeding"),
    with the context vector itself fed on.

    Args, call arguments and returns: as in `ParallelDecoder`, but for `num_layers`,
    which may be 1.
    """

    def __init__(self, units, output_dim, attention, num_layers=1, **kwargs):
        super().__init__(units, output_dim, attention, num_layers, **kwargs)
        self.cells = [
            GRUCell(
                units,
                recurrent_dropout=self.recurrent_dropout,
                reset_after=self.reset_after,
                layer_normalization=self.layer_normalization,
                dtype=self.dtype_policy,
                name=f"cell_{index}",
            )
            for index in range(num_layers)
        ]

    def build(self, inputs_shape, outputs_shape):
        query_shape = (*inputs_shape[:-1], self.units)
        context_dim = self.attention.context_dim(outputs_shape[-1])
        self._context_dim = context_dim
        self._build_attention(query_shape, outputs_shape)
        self.cells[0].build((None, inputs_shape[-1] + context_dim))
        for cell in self.cells[1:]:
            cell.build((None, self.units))
        self.readout.build((*inputs_shape[:-1], self.units + context_dim))

    def initial_state(self, bridge_states):
        num_rows = tf.shape(bridge_states[0])[0]
        context_vector = tf.zeros([num_rows, self._context_dim], self.compute_dtype)
        return (*bridge_states, context_vector)

    def call(self, inputs, state, memory, training=False):
        inputs = self.dropout(inputs, training=training)
        steps = tf.transpose(inputs, [1, 0, 2])  # (T, B, E): one read a step
        target_length = tf.shape(steps)[0]
        hidden_steps = tf.TensorArray(inputs.dtype, target_length)
        weight_steps = tf.TensorArray(inputs.dtype, target_length)
        masks = [(None, None)] * len(self.cells)
        if training:
            masks = [
                self._masks(*pair) for pair in zip(self.cells, state, strict=False)
            ]

        def advance(position, state, hidden_steps, weight_steps):
            hidden, state, weights = self._advance(
                steps[position], state, memory, masks
            )
            hidden_steps = hidden_steps.write(position, hidden)
            weight_steps = weight_steps.write(position, weights)
            return position + 1, state, hidden_steps, weight_steps

        *_, hidden_steps, weight_steps = tf.while_loop(
            lambda position, *_: position < target_length,
            advance,
            (0, tuple(state), hidden_steps, weight_steps),
            maximum_iterations=target_length,
        )
        hidden = tf.transpose(hidden_steps.stack(), [1, 0, 2])  # (B, T, U + D)
        hidden = tf.ensure_shape(hidden, [None, None, self.units + self._context_dim])
        features = self.readout(self.dropout(hidden, training=training))
        return DecoderOutput(
            self.dropout(features, training=training),
            tf.transpose(weight_steps.stack(), [1, 0, 2]),  # (B, T, S)
        )

    def step(self, inputs, state, memory):
        """Advances by one token: as `ParallelDecoder.step`."""
        masks = [(None, None)] * len(self.cells)
        hidden, state, weights = self._advance(inputs, state, memory, masks)
        return DecoderStep(self.readout(hidden), state, weights)

    def _masks(self, cell, state):
        """Dropout of a cell's input, if that is another's output, and of its state: for
        each row one mask a sequence."""
        is_upper = cell is not self.cells[0]  # the token is dropped before all steps
        input_mask = None
        if is_upper and self.dropout.rate:
            input_mask = self.dropout(tf.ones_like(state), training=True)
        return input_mask, cell.recurrent_mask(state)

    def _advance(self, inputs, state, memory, masks):
        """One step up to the readout: `(N, U + D)`, the state, the weights."""
        *states, context_vector = state
        outputs = ops.concatenate([inputs, context_vector], axis=-1)
        new_states = []
        for cell, state, (input_mask, recurrent_mask) in zip(
            self.cells, states, masks, strict=True
        ):
            if input_mask is not None:
                outputs *= input_mask
            outputs = run_cell(cell, outputs, state, recurrent_mask)
            new_states.append(outputs)
        context_vector, weights = self._attend(outputs, memory)
        hidden = ops.concatenate([outputs, context_vector], axis=-1)
        return hidden, (*new_states, context_vector), weights
