"""The light runtime: the network as ONNX graphs, the search in NumPy, no TensorFlow."""

import os

# Set before it is imported: onnxruntime would tell its makers of each process, by an id
# of the machine that it keeps in the user's home.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
