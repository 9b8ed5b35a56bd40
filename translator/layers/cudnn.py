"""cuDNN's GRU: a whole sequence in one call, on an NVIDIA GPU.

Shapes: B batch, T time steps, D input dim, U units; sequences are `(B, T, ...)`.
"""

import tensorflow as tf

# The types that cuDNN's GRU computes in. TensorFlow has a kernel for bfloat16, too, but
# which GPUs and versions of cuDNN take it is not documented: see `run_cudnn`.
_DTYPES = ("float16", "bfloat16", "float32", "float64")


def choose_cudnn(use_cudnn, cell):
    """Decides, once for a layer, whether it trains with cuDNN.

    Args:
        use_cudnn: The layer's option: "auto" or `False`.
        cell: Its `GRUCell`.

    Raises:
        ValueError: Another option.
    """
    if use_cudnn not in ("auto", False):
        raise ValueError(
            f'use_cudnn must be "auto" or False. Received: use_cudnn={use_cudnn!r}. '
            "What cuDNN cannot compute, or not on this machine, the loop does."
        )
    return use_cudnn == "auto" and supports_cudnn(cell)


def supports_cudnn(cell):
    """Whether cuDNN has the equations of a cell, and there is a GPU to run them.

    cuDNN knows one GRU: `reset_after`, both biases, sigmoid and tanh (as every
    `GRUCell`), no layer normalisation, and no dropout inside the recurrent product.

    Args:
        cell: A `GRUCell`.
    """
    return has_cudnn_equations(cell) and has_cudnn_device()


def has_cudnn_equations(cell):
    """The part of `supports_cudnn` that no machine can change."""
    return (
        cell.reset_after
        and cell.use_bias
        and not cell.layer_normalization
        and not cell.recurrent_dropout
        and cell.compute_dtype in _DTYPES
    )


def has_cudnn_device():
    """The part of `supports_cudnn` that no cell can change."""
    is_there = bool(tf.config.list_logical_devices("GPU"))
    return tf.test.is_built_with_cuda() and is_there


def run_cudnn(
    cell, sequences, state, mask=None, go_backwards=False, zero_output_for_mask=False
):
    """Runs a cell over sequences, as the loop of `GRU` does, by cuDNN.

    cuDNN fails on a sequence of no real step, so that such a row is computed with one
    step, and what comes of it is put aside. Lengths are counted by the host, where
    cuDNN's kernel wants them and where the mask, made of token ids, is, too: nobody
    waits for the GPU.

    bfloat16 is computed in float32, with TensorFlow's default on the tensor cores (as
    TF32).

    Args:
        cell: A built `GRUCell` for which `supports_cudnn`.
        sequences: float, shape `(batch_size, time_steps, input_dim)`.
        state: The initial state, float, shape `(batch_size, units)`.
        mask: bool, shape `(batch_size, time_steps)`, `True` = real step; real steps
            come first. `None` if all are real.
        go_backwards: Whether to read from the last step to the first.
        zero_output_for_mask: As in `GRU`.

    Returns:
        The last output `(batch_size, units)`, the outputs `(batch_size, time_steps,
        units)` in the order of reading, and the list of the final state
        `(batch_size, units)`: as `GRU.inner_loop`.

    Raises:
        tf.errors.InvalidArgumentError: A mask with a real step after padding.
    """
    dtype = state.dtype
    computed = tf.float32 if dtype == tf.bfloat16 else dtype
    lengths = _lengths(sequences, mask)
    steps = tf.transpose(tf.cast(sequences, computed), [1, 0, 2])  # (T, B, D)
    if go_backwards:
        steps = tf.reverse_sequence(steps, lengths, seq_axis=0, batch_axis=1)
    outputs, final_state, *_ = tf.raw_ops.CudnnRNNV3(
        input=steps,
        input_h=tf.cast(state, computed)[None],
        input_c=tf.zeros([], computed),  # an LSTM's
        params=tf.cast(cudnn_params(cell), computed),
        sequence_lengths=lengths,
        rnn_mode="gru",
        input_mode="linear_input",
        direction="unidirectional",
        time_major=True,
        is_training=True,
    )
    if go_backwards:  # behind the padding, which is read first
        outputs = tf.reverse_sequence(outputs, lengths, seq_axis=0, batch_axis=1)
        outputs = tf.reverse(outputs, [0])
    outputs = tf.transpose(tf.cast(outputs, dtype), [1, 0, 2])  # (B, T, U)
    final_state = tf.cast(final_state[0], dtype)
    if mask is None:
        return final_state, outputs, [final_state]
    return _mask_results(
        outputs, final_state, state, mask, go_backwards, zero_output_for_mask
    )


def cudnn_params(cell):
    """Returns the weights of a cell in the one vector that cuDNN reads.

    First the kernels, each of one gate and transposed, then the biases: of the inputs
    before those of the state, in the order r, z, h.
    """
    pieces = []
    for kernel in (cell.kernel, cell.recurrent_kernel):
        z, r, h = tf.split(tf.transpose(tf.convert_to_tensor(kernel)), 3)  # (U, D)
        pieces += [r, z, h]
    for bias in tf.unstack(tf.convert_to_tensor(cell.bias)):
        z, r, h = tf.split(bias, 3)
        pieces += [r, z, h]
    return tf.concat([tf.reshape(piece, [-1]) for piece in pieces], axis=0)


def _lengths(sequences, mask):
    """Returns int32 `(B,)`: steps of each row, at least 1, in the host's memory."""
    # Not on the CPU: the shape of a tensor is the host's anyway, the tensor is not.
    batch_size, num_steps, _ = tf.unstack(tf.shape(sequences))
    with tf.device("CPU:0"):
        if mask is None:
            return tf.fill([batch_size], num_steps)
        lengths = tf.reduce_sum(tf.cast(mask, tf.int32), axis=1)
        right_padded = tf.sequence_mask(lengths, num_steps)
        message = (
            "cuDNN's GRU reads real steps before padding alone. Received a mask with "
            "padding before a real step. Use GRU(..., use_cudnn=False)."
        )
        assertion = tf.Assert(tf.reduce_all(mask == right_padded), [message])
        with tf.control_dependencies([assertion]):
            return tf.maximum(lengths, 1)


def _mask_results(
    outputs, final_state, state, mask, go_backwards, zero_output_for_mask
):
    """Gives padding, and rows of nothing else, the results that `GRU` gives them."""
    is_real = mask[:, :, None]  # (B, T, 1)
    is_any = mask[:, :1]  # (B, 1), as real steps come first
    final_state = tf.where(is_any, final_state, state)
    zero = tf.zeros([], outputs.dtype)
    if go_backwards or zero_output_for_mask:
        is_real = tf.reverse(is_real, [1]) if go_backwards else is_real
        outputs = tf.where(is_real, outputs, zero)
    else:  # padding repeats the last output
        repeated = tf.where(is_any, final_state, zero)[:, None]
        outputs = tf.where(is_real, outputs, repeated)
    return outputs[:, -1], outputs, [final_state]
