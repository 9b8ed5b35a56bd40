"""Models that change on the disk while they are served: the new one takes over."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from translator.errors import UserError
from translator.loading import ModelStamp, model_stamp
from translator.serving.service import Service, warm_up
from translator.text_translator import TextTranslator

# Seconds between two looks at the folders.
INTERVAL = 2.0


class Reloader:
    """Watches the folders of a service's models, and loads what has changed.

    A folder that changed is loaded when it has been still from one look to the next:
    beside the old model, which goes on until the new one is warm. Where that fails the
    old one stays. Requests under way are answered by the model that they began with.

    Args:
        service: What serves the models.
        folders: Those of its models, in their order.
        stamps: Of the folders, from before they were loaded.
        load: Loads a folder.
        report: Is told of each change: the model's name, whether it was loaded, and a
            line that says so, or why not.
        interval: Seconds between two looks.
    """

    def __init__(
        self,
        service: Service,
        folders: Sequence[Path],
        stamps: Sequence[ModelStamp],
        load: Callable[[Path], TextTranslator],
        report: Callable[[str, bool, str], None],
        interval: float = INTERVAL,
    ):
        self._service = service
        names = [model.name for model in service.models]
        self._served = {
            folder: (name, stamp)
            for folder, name, stamp in zip(folders, names, stamps, strict=True)
        }
        self._seen = {folder: stamp for folder, (_, stamp) in self._served.items()}
        self._load = load
        self._report = report
        self._interval = interval
        self._is_closed = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Looks no more; returns when a model that is being loaded is there."""
        self._is_closed.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._is_closed.wait(self._interval):
            for folder, (name, served) in self._served.items():
                stamp = model_stamp(folder)
                is_still = stamp == self._seen[folder]
                self._seen[folder] = stamp
                if is_still and stamp != served:
                    self._served[folder] = name, stamp
                    self._reload(folder, name)

    def _reload(self, folder: Path, name: str) -> None:
        """Puts what is in a folder in the place of a model, and reports it."""
        try:
            translator = self._load(folder)
            _check_languages(translator, self._service.find(name).translator)
            translator.name = name  # clients know it by this one
            warm_up(translator)
        except Exception as error:  # whatever is wrong with it, the old one is there
            reason = str(error) if isinstance(error, UserError) else repr(error)
            line = f"{folder} was not loaded again: {' '.join(reason.split())}"
            self._report(name, False, line)
            return
        self._service.put(translator)
        self._report(name, True, f"{folder} was loaded again.")


def _check_languages(new: TextTranslator, old: TextTranslator) -> None:
    pairs = [f"{t.source_language} to {t.target_language}" for t in (new, old)]
    if pairs[0] != pairs[1]:
        raise UserError(
            f"it translates {pairs[0]} now, and {pairs[1]} before. Restart the server."
        )
