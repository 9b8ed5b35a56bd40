"""What only tests of the light runtime need."""

import pytest


@pytest.fixture(scope="session")
def int8_dir(run_dir, tmp_path_factory):
    from translator.light.export import export_onnx

    path = tmp_path_factory.mktemp("int8") / "toy"
    export_onnx(run_dir, path, is_int8=True)
    return path
