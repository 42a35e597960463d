"""`midcall credentials`: what an app needs to use the server, in three spellings."""

from __future__ import annotations

import shlex
from enum import StrEnum
from typing import Annotated

import msgspec
import typer

from midcall.cli.options import DataDir, credentials_of, folder_of, running_server
from midcall.folder import Credentials, ServerInfo


class Format(StrEnum):
    TEXT = "text"
    JSON = "json"
    ENV = "env"


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """The keys of `--format json`, in order."""

    account_sid: str
    auth_token: str
    api_key_sid: str
    api_key_secret: str
    application_sid: str
    https_url: str
    http_url: str
    signaling_host: str
    ca_file: str
    mode: str


def credentials(
    data_dir: DataDir = None,
    format: Annotated[Format, typer.Option(help="text for people, json for programs, env for shells.")] = Format.TEXT,
) -> None:
    """
    Print the running server's addresses and the secrets it made on first start.

    \b
    [bold]Examples[/bold]
      midcall credentials
      midcall credentials --format json
      eval "$(midcall credentials --format env)"   # TWILIO_ACCOUNT_SID and others
    """
    folder = folder_of(data_dir)
    found = credentials_of(folder, data_dir)
    if format is Format.ENV:
        print(as_environment(found))
        return
    shown = _together(found, running_server(folder, data_dir))
    print(msgspec.json.format(msgspec.json.encode(shown)).decode() if format is Format.JSON else as_text(shown))


def as_environment(credentials: Credentials) -> str:
    """Lines for `eval`: the variables that helper libraries read."""
    values = {
        "TWILIO_ACCOUNT_SID": credentials.account_sid,
        "TWILIO_AUTH_TOKEN": credentials.auth_token,
        "TWILIO_API_KEY": credentials.api_key_sid,
        "TWILIO_API_SECRET": credentials.api_key_secret,
    }
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in values.items())


def as_text(shown: Shown) -> str:
    """One line a value, aligned."""
    labels = {
        "Account SID": shown.account_sid,
        "Auth token": shown.auth_token,
        "API key SID": shown.api_key_sid,
        "API key secret": shown.api_key_secret,
        "Application SID": shown.application_sid,
        "REST (TLS)": shown.https_url,
        "REST (loopback)": shown.http_url,
        "Voice SDK host": shown.signaling_host,
        "CA certificate": shown.ca_file,
        "Mode": shown.mode,
    }
    return "\n".join(f"{label + ':':17} {value}" for label, value in labels.items())


def _together(credentials: Credentials, server: ServerInfo) -> Shown:
    return Shown(
        account_sid=credentials.account_sid,
        auth_token=credentials.auth_token,
        api_key_sid=credentials.api_key_sid,
        api_key_secret=credentials.api_key_secret,
        application_sid=credentials.application_sid,
        https_url=server.https_url,
        http_url=server.http_url,
        signaling_host=server.signaling_host,
        ca_file=server.ca_file,
        mode=server.mode,
    )
