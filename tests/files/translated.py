"""Files as bytes, through a translator that is a function of a text."""

import tempfile
from pathlib import Path
from types import SimpleNamespace

from translator.files.document import Document


def translated(name: str, data: bytes | str, change=str.upper, **options) -> bytes:
    """Returns what a file becomes whose texts are changed by a function."""

    def translate(texts):
        return [SimpleNamespace(text=change(text)) for text in texts]

    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, name), Path(folder, "target")
        source.write_bytes(data.encode() if isinstance(data, str) else data)
        document = Document(source, **{"max_characters": 1_000} | options)
        for _ in document.translate(translate, target):
            pass
        return target.read_bytes()
