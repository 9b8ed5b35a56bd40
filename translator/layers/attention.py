"""Attention: how a decoder query looks at the source positions.

Shapes: B batch, S source length, T target length, Q query width, D value width,
A attention units, H heads. A query axis T of any length is scored in one product, so
one decoding step is T = 1 and K hypotheses of one sentence are T = K.
"""

from typing import NamedTuple

import keras
from keras import ops

from translator.layers.checks import check_positive
from translator.layers.dense import Dense, multiply_rows


class AttentionMemory(NamedTuple):
    """What attention needs of the source, made once a sentence.

    Fields:
        keys: float, shape `(batch_size, source_length, key_dim)`: A of additive
            attention, D of dot, Q of general; of several heads, see
            `MultiHeadAttention.memory`.
        values: float, shape `(batch_size, source_length, value_dim)`; likewise.
        mask: bool, shape `(batch_size, source_length)`, `True` = real token.
    """

    keys: object
    values: object
    mask: object


class AttentionOutput(NamedTuple):
    """Result of an attention layer.

    Fields:
        context_vector: float, shape `(batch_size, target_length, output_dim)`.
        attention_weights: float, shape `(batch_size, target_length, source_length)`.
            Rows sum to 1, are exactly 0 on padding, and are all 0 where a sentence
            has no real token.
    """

    context_vector: object
    attention_weights: object


def masked_softmax(attention_scores, mask):
    """Softmax over the last axis that gives exactly 0 where `mask` is `False`.

    Minus infinity would turn a row without any real token into NaN, and a large
    negative number alone would spread its weight over the padding; such a row is all
    zeros here.

    Args:
        attention_scores: float, any shape `(..., source_length)`.
        mask: bool, broadcastable to it, `True` = real token.
    """
    lowest = -3e4 if attention_scores.dtype == "float16" else -1e9
    attention_scores = ops.where(mask, attention_scores, lowest)
    weights = ops.softmax(attention_scores, axis=-1)
    return weights * ops.cast(mask, weights.dtype)


def _check_built(layer):
    if not layer.built:
        raise ValueError(
            f"{layer.name} has no weights yet. Call its build(query_shape, "
            "outputs_shape) first."
        )


def _mask_of(encoder_outputs, source_mask):
    if isinstance(encoder_outputs, keras.KerasTensor):
        raise ValueError(
            "memory() is no layer: in a functional model its weights would be saved "
            "twice. Call it inside of `call` of a layer or model of your own, as "
            "`translator.model.Seq2Seq` does."
        )
    if source_mask is None:
        return ops.ones(ops.shape(encoder_outputs)[:2], "bool")
    return source_mask


class _Attention(keras.layers.Layer):
    """Base of the single-headed kinds: they differ in keys and in `scores`.

    Every kind is built by `build(query_shape, outputs_shape)`, the shapes of a query
    and of the encoder outputs, before its first call.
    """

    def context_dim(self, outputs_dim):
        """Width D of the context vector for encoder outputs of a width."""
        return outputs_dim

    def memory(self, encoder_outputs, source_mask=None):
        """Projects the encoder outputs once, for all queries to come.

        Args:
            encoder_outputs: float, shape `(batch_size, source_length, outputs_dim)`.
            source_mask: bool, shape `(batch_size, source_length)`, `True` = real token;
                `None` if all are.
        """
        _check_built(self)
        mask = _mask_of(encoder_outputs, source_mask)
        return AttentionMemory(self.keys(encoder_outputs), encoder_outputs, mask)

    def keys(self, encoder_outputs):
        return encoder_outputs  # (B, S, D)

    def scores(self, query, keys):
        return ops.matmul(query, ops.swapaxes(keys, 1, 2))  # (B, T, S)

    def call(self, query, memory):
        memory = AttentionMemory(*memory)
        attention_scores = self.scores(query, memory.keys)  # (B, T, S)
        attention_weights = masked_softmax(attention_scores, memory.mask[:, None, :])
        context_vector = ops.matmul(attention_weights, memory.values)  # (B, T, D)
        return AttentionOutput(context_vector, attention_weights)


@keras.saving.register_keras_serializable(package="translator")
class AdditiveAttention(_Attention):
    """Scores a position by a small feed-forward network of query and key.

        score(q, k) = v . tanh(W_q q + b + W_k k)

    q is the query, k an encoder output, W_q and W_k the projections to `units`, v a
    vector of `units`. The bias b is not in the paper.

    Source: Bahdanau, Cho and Bengio 2015, "Neural Machine Translation by Jointly
    Learning to Align and Translate", appendix A.1.2.

    Args:
        units: Width A of the hidden layer.

    Call arguments:
        query: float, shape `(batch_size, target_length, query_dim)`.
        memory: `AttentionMemory` of the source, from `memory()`.

    Returns:
        `AttentionOutput`. Holds a tensor of shape `(batch_size, target_length,
        source_length, units)` on the way.
    """

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        check_positive("units", units)
        self.units = units
        dtype = self.dtype_policy
        self.query_projection = Dense(units, dtype=dtype, name="query_projection")
        self.key_projection = Dense(
            units, use_bias=False, dtype=dtype, name="key_projection"
        )

    def build(self, query_shape, outputs_shape):
        self.query_projection.build(query_shape)
        self.key_projection.build(outputs_shape)
        self.energy = self.add_weight(
            shape=(self.units,), initializer="random_normal", name="energy"
        )

    def keys(self, encoder_outputs):
        return self.key_projection(encoder_outputs)  # (B, S, A)

    def scores(self, query, keys):
        query = self.query_projection(query)[:, :, None, :]  # (B, T, 1, A)
        hidden = ops.tanh(query + keys[:, None, :, :])  # (B, T, S, A)
        v = ops.expand_dims(self.energy, axis=1)  # (A, 1)
        return multiply_rows(hidden, v)[..., 0]  # (B, T, S)

    def get_config(self):
        return super().get_config() | {"units": self.units}


@keras.saving.register_keras_serializable(package="translator")
class DotAttention(_Attention):
    """Scores a position by the product of query and encoder output.

        score(q, k) = q . k

    Source: Luong, Pham and Manning 2015, "Effective Approaches to Attention-based
    Neural Machine Translation", section 3.1, "dot".

    Call arguments and returns as in `AdditiveAttention`. The query must be as wide as
    the encoder outputs.

    Raises:
        ValueError: Query and encoder outputs of different widths.
    """

    def build(self, query_shape, outputs_shape):
        if query_shape[-1] != outputs_shape[-1]:
            raise ValueError(
                "dot attention needs a query as wide as the encoder outputs "
                "(decoder_units = 2 x encoder_units). Received: "
                f"{query_shape[-1]} and {outputs_shape[-1]}. Use general attention."
            )


@keras.saving.register_keras_serializable(package="translator")
class GeneralAttention(_Attention):
    """Scores a position by a bilinear form of query and encoder output.

        score(q, k) = q . W k

    Source: Luong, Pham and Manning 2015, section 3.1, "general".

    Call arguments and returns as in `AdditiveAttention`. `query_dim` is needed
    because the keys, W k, are made before the first query.

    Args:
        query_dim: Width Q of the query.

    Raises:
        ValueError: A query of another width.
    """

    def __init__(self, query_dim, **kwargs):
        super().__init__(**kwargs)
        self.query_dim = query_dim
        self.key_projection = Dense(
            query_dim, use_bias=False, dtype=self.dtype_policy, name="key_projection"
        )

    def build(self, query_shape, outputs_shape):
        if query_shape[-1] != self.query_dim:
            raise ValueError(
                f"general attention was made for queries of width {self.query_dim}. "
                f"Received: {query_shape[-1]}."
            )
        self.key_projection.build(outputs_shape)

    def keys(self, encoder_outputs):
        return self.key_projection(encoder_outputs)  # (B, S, Q)

    def get_config(self):
        return super().get_config() | {"query_dim": self.query_dim}


@keras.saving.register_keras_serializable(package="translator")
class MultiHeadAttention(keras.layers.Layer):
    """Several scaled dot products side by side, each on its own projection.

        q_i, k_i, v_i = W_q,i q + b_q,i, W_k,i k + b_k,i, W_v,i k + b_v,i
        head_i = softmax(q_i . k_i / sqrt(A / H)) v_i
        context = W_o [head_1; ...; head_H] + b_o

    q is the query, k an encoder output. The biases are not in the paper.

    Source: Vaswani et al. 2017, "Attention Is All You Need", section 3.2.2; with a
    recurrent decoder, Chen et al. 2018, "The Best of Both Worlds".

    Args:
        units: Width A of queries, keys, values and of the context vector.
        num_heads: H, a divisor of `units`.

    Call arguments:
        query: float, shape `(batch_size, target_length, query_dim)`.
        memory: `AttentionMemory` of the source, from `memory()`.

    Returns:
        `AttentionOutput`; the weights are the mean over the heads.

    Raises:
        ValueError: `num_heads` does not divide `units`, or is no positive integer.
    """

    def __init__(self, units, num_heads=4, **kwargs):
        super().__init__(**kwargs)
        check_positive("num_heads", num_heads)
        if units % num_heads:
            raise ValueError(
                f"num_heads must divide units. Received: {num_heads} and {units}."
            )
        self.units = units
        self.num_heads = num_heads
        dtype = self.dtype_policy
        self.query_projection = Dense(units, dtype=dtype, name="query_projection")
        # One product for keys and values: their input is the same.
        self.memory_projection = Dense(2 * units, dtype=dtype, name="memory_projection")
        self.output_projection = Dense(units, dtype=dtype, name="output_projection")

    def context_dim(self, outputs_dim):
        """Width D of the context vector for encoder outputs of a width."""
        return self.units

    def build(self, query_shape, outputs_shape):
        self.query_projection.build(query_shape)
        self.memory_projection.build(outputs_shape)
        self.output_projection.build((None, None, self.units))

    def memory(self, encoder_outputs, source_mask=None):
        """Projects the encoder outputs and cuts them into heads, once for all queries.

        Args:
            encoder_outputs, source_mask: As of the other kinds.

        Returns:
            `AttentionMemory`: keys of shape `(batch_size, num_heads, units / num_heads,
            source_length)`, values of `(batch_size, num_heads, source_length, units /
            num_heads)`, as the products with them want them.
        """
        _check_built(self)
        mask = _mask_of(encoder_outputs, source_mask)
        keys, values = ops.split(self.memory_projection(encoder_outputs), 2, axis=-1)
        keys = ops.swapaxes(self._heads(keys), 2, 3)
        return AttentionMemory(keys, self._heads(values), mask)

    def head_weights(self, query, memory):
        """Returns what each head looks at.

        Args:
            query, memory: As of a call.

        Returns:
            float, shape `(batch_size, num_heads, target_length, source_length)`: the
            attention weights, as of `AttentionOutput`.
        """
        memory = AttentionMemory(*memory)
        query = self._heads(self.query_projection(query))  # (B, H, T, A/H)
        scale = (self.units // self.num_heads) ** -0.5
        attention_scores = ops.matmul(query * scale, memory.keys)  # (B, H, T, S)
        return masked_softmax(attention_scores, memory.mask[:, None, None, :])

    def call(self, query, memory):
        memory = AttentionMemory(*memory)
        attention_weights = self.head_weights(query, memory)  # (B, H, T, S)
        heads = ops.matmul(attention_weights, memory.values)  # (B, H, T, A/H)
        joined = ops.reshape(  # (B, T, A)
            ops.transpose(heads, (0, 2, 1, 3)), (-1, ops.shape(heads)[2], self.units)
        )
        return AttentionOutput(
            self.output_projection(joined), ops.mean(attention_weights, axis=1)
        )

    def _heads(self, inputs):
        """Splits `(B, L, A)` into `(B, H, L, A / H)`."""
        shape = (-1, ops.shape(inputs)[1], self.num_heads, self.units // self.num_heads)
        return ops.transpose(ops.reshape(inputs, shape), (0, 2, 1, 3))

    def get_config(self):
        return super().get_config() | {
            "units": self.units,
            "num_heads": self.num_heads,
        }
