"""Opens the page that translates, and the API: `uv run serve.py [MODEL ...]`."""

import errno
import logging
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from itertools import chain, count
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from translator.errors import UserError, explain_refusal
from translator.startup import no_collections

DEFAULT_FOLDER = Path(__file__).parent / "data" / "models"
DEFAULT_PORT = 7860
NUM_PORTS = 100  # how many to try when none was asked for
KEYS_VARIABLE = "TRANSLATOR_API_KEYS"
# Where a proxy may be that tells the addresses of clients, if nothing else is said.
_LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")
_THIS_MACHINE = "127.0.0.1,::1,::ffff:127.0.0.1"


def main(
    model: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Run folders of `translator train`, or what `translator export` made "
            "of them. The page begins with the first.",
            show_default="all in --models",
        ),
    ] = None,
    models: Annotated[
        list[Path] | None,
        typer.Option(
            help="Folder whose folders are models, to serve them all; may be given "
            "several times.",
            show_default="data/models, where no MODEL is given",
        ),
    ] = None,
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
    api_key: Annotated[
        list[str] | None,
        typer.Option(
            envvar=KEYS_VARIABLE,
            help="Key that a program must show to use the API; may be given several "
            "times, in the variable with spaces between. Default: nobody needs one. "
            "The page needs none: see --no-page.",
            show_envvar=True,
        ),
    ] = None,
    origin: Annotated[
        list[str] | None,
        typer.Option(
            help="Site whose pages may use the API, such as https://example.org, or * "
            "for all; may be given several times.",
        ),
    ] = None,
    rate_limit: Annotated[
        int,
        typer.Option(
            min=0,
            help="Requests a minute that one address may send to the API; 0: any "
            "number.",
        ),
    ] = 0,
    root_path: Annotated[
        str,
        typer.Option(
            envvar="GRADIO_ROOT_PATH",
            help="Path under which a proxy shows the page and the API, such as "
            "/translate, if it takes the path away; or the whole address.",
            show_default="none",
        ),
    ] = "",
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(
            help="Name by which the server may be asked for besides its own, as by a "
            "proxy that passes it on; may be given several times, * for all. Default: "
            "all, unless it listens on this machine alone.",
            show_default=False,
        ),
    ] = None,
    page: Annotated[
        bool,
        typer.Option(
            "--page/--no-page", help="Whether to serve the page beside the API."
        ),
    ] = True,
    reload: Annotated[
        bool,
        typer.Option(
            "--reload",
            help="Load a model again when its folder changes; the old one answers "
            "until the new one is ready, and stays if it cannot be loaded.",
        ),
    ] = False,
) -> None:
    """Serves a page and an API that translate.

    The API is described at /docs. Programs that know LibreTranslate or TensorFlow
    Serving can use it as it is.
    """
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        paths = find_models(model or [], models or [])
        keys = check_keys(api_key or [], os.environ.get(KEYS_VARIABLE))
        check_root_path(root_path)
        options = {
            "api_keys": keys,
            "origins": origin or [],
            "rate_limit": rate_limit,
            "root_path": root_path,
            "allowed_hosts": known_hosts(host, root_path, allowed_host or []),
        }
        serve(paths, host, port, options, page, reload)
    except UserError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None
    except OSError as error:
        if not (line := explain_refusal(error)):
            raise
        typer.echo(f"error: {line}", err=True)
        raise typer.Exit(2) from None


def known_hosts(host: str, root_path: str, others: Sequence[str]) -> list[str]:
    """Returns the names by which a server is asked for; none if by any.

    A server that listens on this machine alone is not asked for by others, unless a
    proxy passes theirs on: so a page from elsewhere cannot pretend to be one of ours.

    Args:
        host: Address to listen on.
        root_path: As of `create_app`.
        others: Further names.
    """
    if host not in _LOCAL_HOSTS and not others:
        return []
    own = urlsplit(root_path).hostname
    return [*_LOCAL_HOSTS, host, *([own] if own else []), *others]


def serve(
    models: Sequence[Path],
    host: str,
    port: int | None,
    options: dict[str, Any],
    has_page: bool,
    reload: bool,
) -> None:
    """Loads each model, serves all, and returns on Ctrl-C or SIGTERM.

    Args:
        models: Folders.
        host: Address to listen on.
        port: Port to listen on; None: the first that is free.
        options: Of `create_app`.
        has_page: Whether there is a page beside the API.
        reload: Whether a model is loaded again when its folder changes.
    """
    from translator.web.doors import own_upload_folder

    # Until the server answers: the first process of a container dies of no signal that
    # it does not handle, and what is in temporary folders goes.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    check_temporary_folder()
    allow_many_connections()

    with listen(host, port) as listener, own_upload_folder():
        # One after the other: the imports take turns at Python's lock anyway, so a
        # thread for each was measured to gain nothing.
        with no_collections():
            from translator.loading import model_stamp

            stamps = [model_stamp(model) for model in models]
            translators = [load_translator(model) for model in models]
            name_apart(translators, models)
            from translator.serving.app import create_app
            from translator.serving.reloading import Reloader
            from translator.serving.service import Service, WaitingTranslator

            service = Service(translators)
            service.warm_up()
            app = create_app(service, **options)
            if has_page:
                from translator.web import ui

                waiting = [WaitingTranslator(service, own) for own in service.models]
                ui.warm_up(waiting, app.state.detector)
                app = ui.mount_page(app, ui.build_app(waiting, app.state.detector))
        reloader = None
        if reload:

            def report(name: str, is_loaded: bool, line: str) -> None:
                app.state.metrics.count_reload(name, is_loaded)
                typer.echo(line, err=True)

            reloader = Reloader(service, models, stamps, load_translator, report)
        titles = ", ".join(model.title for model in service.models)
        try:
            run_server(app, listener, f"{titles} at {address_of(listener)}")
        finally:
            if reloader:
                reloader.close()
            service.close()


def find_models(models: Sequence[Path], folders: Sequence[Path]) -> list[Path]:
    """Returns the models, and those in the folders; by default those that ship.

    Raises:
        UserError: One of them is not there.
    """
    from translator import loading

    if not models and not folders:
        folders = [DEFAULT_FOLDER]
    for model in models:
        if not model.is_dir():
            raise UserError(
                f"there is no model in {model}. Give the folder of a trained model, or "
                "make one with `translator train`."
            )
    found = [path for folder in folders for path in loading.find_models(folder)]
    # One that is named twice is served once, and loaded again as one.
    places: dict[Path, Path] = {}
    for path in (*models, *found):
        places.setdefault(path.resolve(), path)
    return list(places.values())


def check_keys(keys: Sequence[str], variable: str | None = None) -> list[str]:
    """Returns the keys of the API.

    Args:
        keys: Those that were given.
        variable: Value of `KEYS_VARIABLE`, if it is set.

    Raises:
        UserError: One is blank, or the variable is, as where another one that was not
            set stands in it: nobody could show it, or everybody may translate.
    """
    if variable is not None and not variable.strip() and not keys:
        raise UserError(
            f"{KEYS_VARIABLE} is set, but holds no key. Received: {variable!r}. Put a "
            "key into it, or unset it to let everybody in."
        )
    for key in keys:
        if not key.strip():
            raise UserError(
                f"a key of the API must not be blank. Received: {key!r}. Leave it out "
                "to let everybody in."
            )
    return [key.strip() for key in keys]


def check_root_path(path: str) -> None:
    """Raises a UserError unless a path, if any, begins as a path or an address does."""
    if path and not path.startswith(("/", "http://", "https://")):
        raise UserError(
            f"--root-path must begin with / or be an address. Received: {path!r}. Use "
            f"/{path}, if that is where the proxy shows the page."
        )


def check_temporary_folder() -> None:
    """Raises a UserError if there is no place for files such as uploads."""
    try:
        tempfile.gettempdir()
    except FileNotFoundError as error:
        raise UserError(
            f"there is no folder for temporary files: {error.strerror}. Set TMPDIR to "
            "one that can be written to."
        ) from None


def allow_many_connections() -> None:
    """Lets the process have as many open files as it may: often only 1,024 are set."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def name_apart(translators: Sequence[Any], folders: Sequence[Path]) -> None:
    """Names models after their folders where an earlier one has their name, as a model
    and its export do: clients choose by it."""
    names: set[str] = set()
    for translator, folder in zip(translators, folders, strict=True):
        name = translator.name
        if name in names:
            name = folder.resolve().name
        numbered = (f"{name}-{number}" for number in count(2))
        translator.name = next(
            own for own in chain([name], numbered) if own not in names
        )
        names.add(translator.name)


def load_translator(path: Path) -> Any:
    """Loads a model of any kind: see `translator.loading`."""
    from translator import loading

    return loading.load_translator(path)


def listen(host: str, port: int | None) -> socket.socket:
    """Listens on the port asked for, or else on the first that is free.

    Browsers that come while the model is loaded wait in the queue of the socket.

    Raises:
        UserError: If there is none, or the host is not an address of this machine.
    """
    last_port = DEFAULT_PORT + NUM_PORTS - 1
    candidates = [port] if port else range(DEFAULT_PORT, last_port + 1)
    for candidate in candidates:
        try:
            family = socket.getaddrinfo(host, candidate)[0][0]
            both = host == "::" and socket.has_dualstack_ipv6()
            listener = socket.create_server(
                (host, candidate), family=family, dualstack_ipv6=both
            )
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise UserError(
                    f"cannot listen on {host}, port {candidate}: {error.strerror}."
                ) from None
            continue
        # Connections inherit it. asyncio sets it for sockets that it made itself, and
        # without it each answer waits 40 ms for an acknowledgement.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener
    if port:
        raise UserError(f"port {port} is in use. Choose another with --port.")
    raise UserError(f"the ports {DEFAULT_PORT} to {last_port} are all in use.")


def address_of(listener: socket.socket) -> str:
    """Returns what to open in a browser on this machine."""
    host, port, *_ = listener.getsockname()
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def run_server(app: Any, listener: socket.socket, line: str) -> None:
    """Serves until Ctrl-C or SIGTERM; prints the line once it answers."""
    import uvicorn

    from translator.serving.protocol import PatientServer, patient_protocol

    class Server(PatientServer):
        async def startup(self, sockets=None):
            await super().startup(sockets)
            typer.echo(f"{line} (Ctrl-C stops it)")

        async def shutdown(self, sockets=None):
            app.state.file_desk.close()
            await super().shutdown(sockets)

    limits = app.state.service.limits
    config = uvicorn.Config(
        app,
        http=patient_protocol(limits.body_seconds),
        forwarded_allow_ips=os.environ.get("FORWARDED_ALLOW_IPS", _THIS_MACHINE),
        log_level="warning",
        access_log=False,
        backlog=128,  # what Python 3.11 accepts in one go, at most
    )
    server = Server(config, app.state.metrics.is_idle, limits.seconds)

    def stop(*_: Any) -> None:
        server.should_exit = True

    # The server handles both signals itself, and then raises them once more.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    server.run([listener])
    # Who asks once more does not want to wait for the rest.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


if __name__ == "__main__":
    typer.run(main)
