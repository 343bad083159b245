"""Which options say how a running service is reached? The same for each command that has `--server`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
import grpc

from serving.channel import TOKEN_VARIABLE, Credentials, from_environment
from serving.wire.requests import MAX_MESSAGE_BYTES

Command = TypeVar("Command", bound=Callable[..., Any])

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_OPTIONS = (
    click.option("--tls", is_flag=True, help="Speak TLS; --tls-ca and --tls-cert imply it."),
    click.option("--tls-ca", type=_FILE, help="Authorities of the server's certificate (PEM)."),
    click.option("--tls-cert", type=_FILE, help="This client's certificate (PEM)."),
    click.option("--tls-key", type=_FILE, help="Its key (PEM)."),
    click.option("--token-file", type=_FILE, help=f"File with the bearer token. [${TOKEN_VARIABLE} holds the token]"),
)


def with_credentials(help_text: str, option: str = "--server") -> Callable[[Command], Command]:
    """Give a command `--server`, or `option`, and what goes with it; it is called with `server` and `credentials`."""

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def called(*given: Any, **options: Any) -> Any:
            names = {"tls": "tls", "ca": "tls_ca", "certificate": "tls_cert", "key": "tls_key"}
            shown = {field: options.pop(name) for field, name in names.items()}
            token_file = options.pop("token_file")
            token = "" if token_file is not None else from_environment().token
            credentials = Credentials(**shown, token_file=token_file, token=token)
            return command(*given, credentials=credentials, **options)

        wrapped: Any = called
        for each in reversed(_OPTIONS):
            wrapped = each(wrapped)
        decorated: Command = click.option(option, "server", metavar="HOST:PORT", help=help_text)(wrapped)
        return decorated

    return decorate


@contextmanager
def reached(server: str, credentials: Credentials) -> Iterator[grpc.Channel]:
    """Open a channel to a service, wide enough for photos. An rpc that it refuses ends the command, and says why."""
    options = [("grpc.max_send_message_length", MAX_MESSAGE_BYTES)]
    with refusals_told(server), credentials.channel(server, options=options) as channel:
        yield channel


@contextmanager
def refusals_told(server: str) -> Iterator[None]:
    """Let an rpc that fails end the command with what the service answered."""
    try:
        yield
    except grpc.RpcError as error:
        raise click.ClickException(f"{server}: {error.code().name}: {error.details()}") from error
