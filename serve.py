"""Opens the page that translates: `uv run serve.py [MODEL]`."""

import errno
import os
import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import typer

from translator.errors import UserError

DEFAULT_MODEL = Path(__file__).parent / "data" / "models" / "en-es"
DEFAULT_PORT = 7860
NUM_PORTS = 100  # how many to try when none was asked for


def main(
    model: Annotated[
        Path,
        typer.Argument(
            help="A run folder of `translator train`, or a SavedModel of `translator "
            "export`.",
            show_default="data/models/en-es",
        ),
    ] = DEFAULT_MODEL,
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 lets others in.")
    ] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=65535,
            help="Port to listen on.",
            show_default=f"{DEFAULT_PORT}, or the next that is free",
        ),
    ] = None,
) -> None:
    """Serves a page and an API that translate with one model."""
    try:
        serve(model, host, port)
    except UserError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None


def serve(model: Path, host: str, port: int | None) -> None:
    """Loads the model once, serves it, and returns on Ctrl-C or SIGTERM."""
    if not model.is_dir():
        raise UserError(
            f"there is no model in {model}. Give the folder of a trained model, or "
            "make one with `translator train`."
        )
    port = choose_port(host, port)
    # Half of the start is waiting for files, so the two imports gain from a thread.
    with ThreadPoolExecutor(1) as executor:
        loading = executor.submit(load_translator, model)
        from translator.web import ui

        translator = loading.result()
    app = ui.build_app(translator)
    # Gradio asks its own address whether it answers; no proxy can know.
    os.environ["NO_PROXY"] = f"{os.environ.get('NO_PROXY', '')},localhost,{host}"
    _, address, _ = app.launch(
        server_name=host,
        server_port=port,
        prevent_thread_lock=True,
        **ui.launch_options(),
    )
    source = ui.language_name(translator.source_language)
    target = ui.language_name(translator.target_language)
    typer.echo(f"{source} to {target} at {address} (Ctrl-C stops it)")
    wait_for_signal()
    app.close(verbose=False)


def load_translator(path: Path) -> Any:
    """Loads a run folder or a SavedModel, and translates one sentence to warm it.

    Raises:
        UserError: If it is neither, or damaged.
    """
    from translator.startup import import_tensorflow

    import_tensorflow()
    if (path / "saved_model.pb").exists():
        from translator.export import SavedModelTranslator

        translator = SavedModelTranslator.load(path)
    else:
        from translator.inference import Translator

        translator = Translator.load(path)
    translator.translate(["Hello."])
    return translator


def choose_port(host: str, port: int | None) -> int:
    """Returns a port that can be listened on: the one asked for, or the next free.

    Raises:
        UserError: If there is none, or the host is not an address of this machine.
    """
    last_port = DEFAULT_PORT + NUM_PORTS - 1
    candidates = [port] if port else range(DEFAULT_PORT, last_port + 1)
    for candidate in candidates:
        try:
            family = socket.getaddrinfo(host, candidate)[0][0]
            socket.create_server((host, candidate), family=family).close()
            return candidate
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise UserError(
                    f"cannot listen on {host}, port {candidate}: {error.strerror}."
                ) from None
    if port:
        raise UserError(f"port {port} is in use. Choose another with --port.")
    raise UserError(f"the ports {DEFAULT_PORT} to {last_port} are all in use.")


def wait_for_signal() -> None:
    """Blocks until Ctrl-C or SIGTERM; a second one ends the program at once."""
    stop = threading.Event()

    def on_signal(number: int, _frame: Any) -> None:
        signal.signal(number, signal.SIG_DFL)
        stop.set()

    signal.signal(signal.SIGINT, on_signal)
    signal.signal(signal.SIGTERM, on_signal)
    while not stop.wait(timeout=1):  # without an end, Windows would not see Ctrl-C
        pass


if __name__ == "__main__":
    typer.run(main)
