"""Writing ONNX graphs in code that reads like the equations.

    graph = Graph("cell")
    x = graph.input("x", np.float32, ["rows", 8])
    graph.output("y", tanh(graph.dense(x, kernel, bias)), ["rows", 4])
    model = graph.model()

A `Tensor` stands for a value that will exist when the graph runs. An array that meets
one becomes a constant of the graph.
"""

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import helper, numpy_helper

# Operators of ONNX 1.15, and the format of the file that came with it.
_OPSET = 20
_IR_VERSION = 9
_MICROSOFT = "com.microsoft"  # operators of onnxruntime's own
# Inputs are 1 to 255 around this zero. Weights have a bit less, so that two products
# together fit into the 16 bits of processors without VNNI: 2 x 255 x 63 < 2 ** 15.
_ZERO_POINT = np.uint8(128)
_LARGEST_INPUT = 127
_LARGEST_WEIGHT = 63
_LARGEST_ENTRY = 127  # of a table, of which nothing is multiplied


class Tensor:
    """A value in a graph; its operators are those of NumPy."""

    # NumPy leaves `array + tensor` to us.
    __array_ufunc__ = None

    def __init__(self, graph: "Graph", name: str):
        self.graph = graph
        self.name = name

    def __add__(self, other):
        return self.graph.node("Add", self, other)

    def __sub__(self, other):
        return self.graph.node("Sub", self, other)

    def __mul__(self, other):
        return self.graph.node("Mul", self, other)

    def __truediv__(self, other):
        return self.graph.node("Div", self, other)

    def __matmul__(self, other):
        return self.graph.node("MatMul", self, other)


class Graph:
    """Collects the nodes, constants, inputs and outputs of one ONNX graph.

    Args:
        name: Of the graph; that of a body is unlike all others in the model, as the
            names inside of it begin with it.
    """

    def __init__(self, name: str):
        self.name = name
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}
        self._constant_names: dict[tuple, str] = {}
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []

    def input(self, name: str, dtype, shape: Sequence[int | str]) -> Tensor:
        """Declares an input; a size that is a word is known when it runs."""
        self._inputs.append(_value_info(name, dtype, shape))
        return Tensor(self, name)

    def output(self, name: str, tensor: Tensor, shape, dtype=np.float32) -> None:
        """Declares an output, and gives it its name: once for each tensor."""
        for node in self._nodes:  # A node of its own would copy it at each run.
            for names in (node.input, node.output):
                names[:] = [name if own == tensor.name else own for own in names]
        tensor.name = name
        self._outputs.append(_value_info(name, dtype, shape))

    def constant(self, value) -> Tensor:
        """Returns a constant; equal ones are stored once."""
        array = np.asarray(value)
        if isinstance(value, float) or array.dtype == np.float64:
            array = array.astype(np.float32)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constant_names:
            name = f"{self.name}/constant_{len(self._constants)}"
            self._constants[name] = numpy_helper.from_array(array, name)
            self._constant_names[key] = name
        return Tensor(self, self._constant_names[key])

    def node(
        self, operator: str, *inputs, num_outputs: int = 1, domain="", **attributes
    ):
        """Adds a node; returns its output, or a list of them if there are several.

        Args:
            operator: Name of an ONNX operator.
            inputs: Tensors, arrays or numbers; `None` leaves an optional one out.
            num_outputs: How many outputs to ask for.
            domain: Of the operator, if it is none of ONNX itself.
            attributes: Of the node; a `Graph` is a body.
        """
        number = len(self._nodes)
        outputs = [f"{self.name}/{operator}_{number}_{i}" for i in range(num_outputs)]
        attributes = {
            name: value.proto() if isinstance(value, Graph) else value
            for name, value in attributes.items()
        }
        names = [self._name_of(value) for value in inputs]
        self._nodes.append(
            helper.make_node(operator, names, outputs, domain=domain, **attributes)
        )
        tensors = [Tensor(self, name) for name in outputs]
        return tensors if num_outputs > 1 else tensors[0]

    def dense(self, x: Tensor, kernel: np.ndarray, bias=None, bound=None) -> Tensor:
        """Returns x W + b for `(rows, width)` inputs.

        Args:
            x: The input.
            kernel: W, shape `(width, units)`.
            bias: b, shape `(units,)`; `None` is zero.
            bound: Largest absolute value of x, where one is known: a graph with
                weights of 8 bits needs it to cut x into 8 bits, too.
        """
        return self.node("Gemm", x, kernel, bias)

    def rows(self, table: np.ndarray, ids: Tensor) -> Tensor:
        """Returns rows of a `(rows, width)` table by their numbers, in float32."""
        return take(table, ids)

    def proto(self) -> onnx.GraphProto:
        return helper.make_graph(
            self._nodes,
            self.name,
            self._inputs,
            self._outputs,
            list(self._constants.values()),
        )

    def model(self) -> onnx.ModelProto:
        """Returns the whole, as it goes into a file."""
        opsets = [
            helper.make_opsetid("", _OPSET),
            helper.make_opsetid(_MICROSOFT, 1),
        ]
        return helper.make_model(
            self.proto(),
            opset_imports=opsets,
            ir_version=_IR_VERSION,
            producer_name="translator",
        )

    def _name_of(self, value) -> str:
        if value is None:
            return ""
        return value.name if isinstance(value, Tensor) else self.constant(value).name


class Int8TableGraph(Graph):
    """A graph whose tables are of integers of 8 bits: a quarter of the size.

    A row w becomes q = round(w / s), |q| <= 127, with a scale s of its own.
    """

    def rows(self, table: np.ndarray, ids: Tensor) -> Tensor:
        scales = _scales(table, axis=1, largest_integer=_LARGEST_ENTRY)
        entries = take(np.rint(table / scales).astype(np.int8), ids)
        entries = self.node("Cast", entries, to=onnx.TensorProto.FLOAT)
        return entries * take(scales, ids)


class Int8Graph(Int8TableGraph):
    """A graph whose dense products are of integers of 8 bits, too.

    A column w of the kernel becomes q = round(w / s), |q| <= 63, with a scale s of
    its own; the input likewise, by its bound, |q| <= 127. The products are exact in 32
    bits, so that the rounding of the two is all that is lost; and, as a scale depends
    on no other row, neither does the result.
    """

    def dense(self, x: Tensor, kernel: np.ndarray, bias=None, bound=None) -> Tensor:
        if bound is None:
            bounds = largest(self.node("Abs", x), axis=1, keep=True)
            bounds = self.node("Max", bounds, np.float32(1e-9))
            product = self.dense(x / bounds, kernel, bound=1) * bounds
            return product if bias is None else product + bias
        input_scale = np.float32(bound / _LARGEST_INPUT)
        scales = _scales(kernel, axis=0, largest_integer=_LARGEST_WEIGHT)
        return self.node(
            "MatMulIntegerToFloat",
            self.node("QuantizeLinear", x, input_scale, _ZERO_POINT),
            np.rint(kernel / scales).astype(np.int8),
            input_scale,
            scales[0],
            _ZERO_POINT,
            None,
            bias,
            domain=_MICROSOFT,
        )


def sigmoid(x: Tensor) -> Tensor:
    return x.graph.node("Sigmoid", x)


def tanh(x: Tensor) -> Tensor:
    return x.graph.node("Tanh", x)


def softmax(x: Tensor) -> Tensor:
    """Over the last axis."""
    return x.graph.node("Softmax", x, axis=-1)


def log_softmax(x: Tensor) -> Tensor:
    """Over the last axis."""
    return x.graph.node("LogSoftmax", x, axis=-1)


def concat(tensors: Sequence[Tensor], axis: int = -1) -> Tensor:
    return tensors[0].graph.node("Concat", *tensors, axis=axis)


def split(x: Tensor, sizes: Sequence[int], axis: int = -1) -> list[Tensor]:
    """Cuts along an axis into parts of some sizes."""
    if len(sizes) == 1:
        return [x]
    return x.graph.node("Split", x, np.array(sizes), num_outputs=len(sizes), axis=axis)


def reshape(x: Tensor, shape) -> Tensor:
    """As NumPy's, where -1 is found out; and 0 is the size that is there."""
    shape = shape if isinstance(shape, Tensor) else np.array(shape)
    return x.graph.node("Reshape", x, shape)


def transpose(x: Tensor, axes: Sequence[int]) -> Tensor:
    return x.graph.node("Transpose", x, perm=list(axes))


def take(x, indices: Tensor, axis: int = 0) -> Tensor:
    """As NumPy's: whole slices by their indices."""
    return indices.graph.node("Gather", x, indices, axis=axis)


def flatten(x: Tensor, axis: int) -> Tensor:
    """Makes a matrix: the axes before `axis`, and those from it on."""
    return x.graph.node("Flatten", x, axis=axis)


def add_axis(x: Tensor, *axes: int) -> Tensor:
    return x.graph.node("Unsqueeze", x, np.array(axes))


def where(condition: Tensor, x, y) -> Tensor:
    return condition.graph.node("Where", condition, x, y)


def top(x: Tensor, count: Tensor, is_sorted: bool = True) -> list[Tensor]:
    """Returns the largest values along the last axis, and where they are."""
    return x.graph.node("TopK", x, count, num_outputs=2, sorted=int(is_sorted))


def largest(x: Tensor, axis: int, keep: bool = False) -> Tensor:
    return x.graph.node("ReduceMax", x, np.array([axis]), keepdims=int(keep))


def mean(x: Tensor, axis: int) -> Tensor:
    return x.graph.node("ReduceMean", x, np.array([axis]), keepdims=0)


def _scales(array: np.ndarray, axis: int, largest_integer: int) -> np.ndarray:
    """Returns, for each slice along an axis, the float32 that an integer stands for;
    the axis stays."""
    bounds = np.maximum(np.abs(array).max(axis=axis, keepdims=True), 1e-9)
    return (bounds / largest_integer).astype(np.float32)


def _value_info(name: str, dtype, shape) -> onnx.ValueInfoProto:
    element_type = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    return helper.make_tensor_value_info(name, element_type, list(shape))
