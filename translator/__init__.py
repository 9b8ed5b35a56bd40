"""Train and serve your own translator: a GRU network on TensorFlow and Keras."""
