"""The light runtime: the network as ONNX graphs, the search in NumPy, no TensorFlow."""
