"""Where a graph's operations would run on a GPU, read from the kernel registry.

No GPU is needed: TensorFlow's wheels for Linux register the kernels of one, and each
kernel says which types it takes and which of its tensors lie in the host's memory. An
edge from device memory to host memory is a copy that waits for the GPU.
"""

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import tensorflow as tf
from tensorflow.python.framework import kernels, op_def_registry

_CALLS = ("PartitionedCall", "StatefulPartitionedCall", "If", "StatelessIf")
_LOOPS = ("While", "StatelessWhile")
# These never leave the host; int32 on a GPU is for sizes and indices, which the host
# computes (memory_types.cc of TensorFlow).
_ON_HOST = (tf.string, tf.resource)
_MAIN = ""


class Edge(NamedTuple):
    """A tensor that one operation hands to another, in the other's memory."""

    producer: str
    consumer: str
    dtype: tf.DType
    waits: bool  # device to host; the other way nobody waits
    name: str  # of the consumer

    def __str__(self):
        return f"{self.producer} -> {self.consumer} ({self.dtype.name})"


class Placement:
    """The operations of a traced function, its loops, branches and gradients.

    Args:
        function: A `tf.types.experimental.ConcreteFunction`.
        host_variables: Keras variables that are made on the CPU. Here all are, and on
            a GPU all others are there; operations go where their variable is.
    """

    def __init__(self, function, host_variables=()):
        handles = {id(variable.value.handle) for variable in host_variables}
        self._host_handles = {
            inside.op.name
            for outside, inside in function.graph.captures
            if id(outside) in handles
        }
        graph = function.graph.as_graph_def()
        self.bodies = {_MAIN: list(graph.node)} | {
            body.signature.name: list(body.node_def) for body in graph.library.function
        }
        self._arguments = {_MAIN: {}} | {
            body.signature.name: {
                argument.name: tf.as_dtype(argument.type)
                for argument in body.signature.input_arg
            }
            for body in graph.library.function
        }

    @property
    def nodes(self) -> list:
        return [node for body in self.bodies.values() for node in body]

    def without_kernel(self) -> list:
        """Returns the operations that a GPU has no kernel for.

        Those that are placed on the host are left out, and the texts of assertions.
        """
        return [
            node
            for node in self.nodes
            if not _is_on_cpu(node)
            and node.op not in (*_CALLS, *_LOOPS)
            and not _is_text(node)
            and _gpu_kernel(node) is None
        ]

    def loops(self) -> set[str]:
        """Returns the functions that run once a round of a loop."""
        found = {
            node.attr[name].func.name
            for node in self.nodes
            if node.op in _LOOPS
            for name in ("body", "cond")
        }
        while True:
            called = {
                attribute.func.name
                for name in found
                for node in self.bodies[name]
                for attribute in node.attr.values()
                if attribute.func.name
            }
            if called <= found:
                return found
            found |= called

    def copies(self, name: str) -> Iterator[Edge]:
        """Yields the edges of a body whose ends are in different memories."""
        nodes = {node.name: node for node in self.bodies[name]}
        for consumer in nodes.values():
            inputs = [edge for edge in consumer.input if not edge.startswith("^")]
            for edge, target in zip(inputs, _ports(consumer, "input_arg"), strict=True):
                source, dtype = self._source(name, nodes, edge)
                if source != target.is_on_host:
                    producer = edge.split(":")[0]
                    made_by = nodes[producer].op if producer in nodes else "argument"
                    yield Edge(made_by, consumer.op, dtype, not source, consumer.name)

    def _source(self, name, nodes, edge):
        """Whether the tensor of an edge is on the host, and its type."""
        producer, *place = edge.split(":")
        if producer not in nodes:
            dtype = self._arguments[name][producer]
            return _is_host_type(dtype), dtype
        ports = _ports(nodes[producer], "output_arg")
        if set(nodes[producer].input[:1]) & self._host_handles:
            return True, ports[0].dtype
        if len(place) == 2:  # in a function: name:argument:index
            ports = [port for port in ports if port.name == place[0]]
        port = ports[int(place[-1]) if place else 0]
        return port.is_on_host, port.dtype


class _Port(NamedTuple):
    name: str
    dtype: tf.DType
    is_on_host: bool


def _ports(node, kind) -> list[_Port]:
    """Returns one port for each tensor of a node's inputs or outputs."""
    ports = []
    for argument in getattr(op_def_registry.get(node.op), kind):
        if argument.type_list_attr:
            types = list(node.attr[argument.type_list_attr].list.type)
        else:
            kind_of_all = argument.type or node.attr[argument.type_attr].type
            count = node.attr[argument.number_attr].i if argument.number_attr else 1
            types = [kind_of_all] * count
        for number in types:
            dtype = tf.as_dtype(number)
            ports.append(
                _Port(argument.name, dtype, _is_on_host(node, argument.name, dtype))
            )
    return ports


def _is_on_host(node, argument, dtype) -> bool:
    if _is_on_cpu(node) or dtype in _ON_HOST:
        return True
    kernel = _gpu_kernel(node)
    if node.op in (*_CALLS, *_LOOPS, "Placeholder") or kernel is None:
        return _is_host_type(dtype)
    return argument in kernel.host_memory_arg


def has_gpu_kernels() -> bool:
    """Whether this build of TensorFlow knows what a GPU can do."""
    return any(kernel.device_type == "GPU" for kernel in _gpu_kernels("MatMul"))


def _is_host_type(dtype) -> bool:
    return dtype == tf.int32 or dtype in _ON_HOST


def _is_on_cpu(node) -> bool:
    return "CPU" in node.device


def _is_text(node) -> bool:
    return node.op == "Const" and node.attr["dtype"].type == tf.string.as_datatype_enum


@cache
def _gpu_kernels(operation) -> list:
    """A kernel for the device `DEFAULT` serves every device without its own."""
    found = kernels.get_registered_kernels_for_op(operation).kernel
    return sorted(
        (kernel for kernel in found if kernel.device_type in ("GPU", "DEFAULT")),
        key=lambda kernel: (kernel.device_type != "GPU", -kernel.priority),
    )


def _gpu_kernel(node):
    """Returns the kernel that takes the types of a node, or None."""
    for kernel in _gpu_kernels(node.op):
        if all(_takes(rule, node.attr[rule.name]) for rule in kernel.constraint):
            return kernel
    return None


def _takes(rule, attribute) -> bool:
    types = list(attribute.list.type) or [attribute.type]
    return set(types) <= set(rule.allowed_values.list.type)
