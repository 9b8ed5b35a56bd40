"""PyTorch's GRU beside ours, for `benchmarks.gru_layer`. Imports PyTorch."""

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from translator.layers.conversion import to_torch


def set_threads(threads):
    torch.set_num_threads(threads)


def make_layers(case, inputs, weights):
    """`nn.GRU`, and for the other convention a loop of `nn.Linear` beside it.

    Args:
        case: A `benchmarks.gru_layer.Case`.
        inputs: float32, shape `(batch_size, steps, units)`.
        weights: What our layer's `get_weights` returns.

    Returns:
        Name -> `TorchLayer`. `nn.GRU` keeps its own weights where the convention is
        not its own.
    """
    layer = nn.GRU(
        case.units, case.units, batch_first=True, bidirectional=case.is_bidirectional
    )
    layers = {"torch": TorchLayer(layer, case, inputs)}
    if case.reset_after:
        half = len(weights) // (2 if case.is_bidirectional else 1)
        state = to_torch(weights[:half])
        if case.is_bidirectional:
            state |= to_torch(weights[half:], reverse=True)
        # A copy, float32 whatever the weights are.
        layer.load_state_dict({n: torch.tensor(a).float() for n, a in state.items()})
    else:
        layers["loop"] = TorchLayer(LinearLoop(*weights), case, inputs)
    return layers


class TorchLayer:
    """Forward and gradient calls of a PyTorch layer.

    Args:
        layer: `nn.GRU` or `LinearLoop`.
        case: Its sizes and mask.
        inputs: float32, shape `(batch_size, steps, units)`.
    """

    def __init__(self, layer, case, inputs):
        self.layer = layer
        self.inputs = torch.tensor(inputs, requires_grad=True)
        self.steps = case.steps
        self.lengths = torch.tensor(case.lengths) if case.is_masked else None

    def forward(self):
        with torch.inference_mode():
            return self._run().numpy()

    def gradients(self):
        outputs = self._run()
        (outputs * outputs).sum().backward()
        gradients = [self.inputs.grad, *(w.grad for w in self.layer.parameters())]
        self.inputs.grad = None
        self.layer.zero_grad(set_to_none=True)
        return gradients

    def _run(self):
        if isinstance(self.layer, LinearLoop):
            return self.layer(self.inputs, self.lengths)
        if self.lengths is None:
            return self.layer(self.inputs)[0]
        packed = pack_padded_sequence(
            self.inputs, self.lengths, batch_first=True, enforce_sorted=False
        )
        outputs, _ = self.layer(packed)
        return pad_packed_sequence(outputs, batch_first=True, total_length=self.steps)[
            0
        ]


class LinearLoop(nn.Module):
    """A GRU with the reset gate before the recurrent product, written by hand.

        z, r = sigmoid(W_zr x + U_zr h + b)
        c    = tanh(W_c x + U_c (r * h) + b)
        h'   = z * h + (1 - z) * c

    The product of the inputs is taken for all steps at once; masked steps keep the
    state.

    Args:
        kernel: `(inputs, 3 * units)`, gates in the order z, r, h.
        recurrent_kernel: `(units, 3 * units)`.
        bias: `(3 * units,)`.
    """

    def __init__(self, kernel, recurrent_kernel, bias):
        super().__init__()
        self.units = recurrent_kernel.shape[0]
        gates = 2 * self.units
        self.project = linear(kernel, bias)
        self.gates = linear(recurrent_kernel[:, :gates])
        self.candidate = linear(recurrent_kernel[:, gates:])

    def forward(self, inputs, lengths=None):
        state = inputs.new_zeros(inputs.shape[0], self.units)
        outputs = []
        steps = self.project(inputs).unbind(1)
        for position, projected in enumerate(steps):
            inner, candidate = projected.split([2 * self.units, self.units], dim=1)
            update, reset = torch.sigmoid(inner + self.gates(state)).chunk(2, dim=1)
            candidate = torch.tanh(candidate + self.candidate(reset * state))
            new_state = candidate + update * (state - candidate)
            if lengths is not None:
                new_state = torch.where((position < lengths)[:, None], new_state, state)
            state = new_state
            outputs.append(state)
        return torch.stack(outputs, 1)


def linear(kernel, bias=None):
    """`nn.Linear` with the weights of a Keras kernel `(inputs, outputs)`."""
    layer = nn.Linear(*kernel.shape, bias=bias is not None)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(kernel.T.copy()))
        if bias is not None:
            layer.bias.copy_(torch.tensor(bias))
    return layer
