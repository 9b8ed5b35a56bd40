"""A model of Triton's Python backend that serves a SavedModel of `translator export`.

Triton runs it as `MODEL/1/model.py`; `parameters` in `MODEL/config.pbtxt` say where the
SavedModel is.
"""

import json

import tensorflow as tf
import tensorflow_text  # noqa: F401 - operations of the graph
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        parameters = json.loads(args["model_config"])["parameters"]
        self.model = tf.saved_model.load(parameters["saved_model"]["string_value"])

    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        text = pb_utils.get_input_tensor_by_name(request, "text").as_numpy()  # (B, 1)
        outputs = self.model.signatures["serving_default"](text=tf.constant(text[:, 0]))
        return pb_utils.InferenceResponse(
            [
                pb_utils.Tensor(name, outputs[name].numpy()[:, None])
                for name in ("translation", "score")
            ]
        )
