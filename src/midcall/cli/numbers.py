"""`midcall numbers`: the account's phone numbers, and what calls to them run."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import quote

import typer

from midcall.cli import rest, tables
from midcall.cli.asking import Asking, Json, Limit, chosen
from midcall.cli.failure import ExitCode, Failure
from midcall.cli.help import Command, Program
from midcall.cli.options import DataDir
from midcall.core.numbers import StirStatus

if TYPE_CHECKING:
    from midcall.wire.numbers import PhoneNumberResource

group = typer.Typer(cls=Program, no_args_is_help=True, help="Phone numbers of the account, and what calls to them run.")

Which = Annotated[str, typer.Argument(metavar="NUMBER", help="In E.164 format, or its sid.", show_default=False)]
Name = Annotated[str | None, typer.Option(help="A name for people.", show_default=False)]
VoiceUrl = Annotated[str | None, typer.Option(help="Asked for TwiML when somebody calls.", show_default=False)]
Application = Annotated[
    str | None, typer.Option(metavar="AP…", help="An application that answers in its place.", show_default=False)
]
StatusCallback = Annotated[str | None, typer.Option(help="Told when a call to it is over.", show_default=False)]
Stir = Annotated[
    Literal[StirStatus, ""] | None,
    typer.Option(help="How calls from it are attested; empty says nothing.", show_default=False),
]


@group.command("list", cls=Command)
def list_(
    part: Annotated[
        str | None, typer.Option(metavar="DIGITS", help="Only numbers with these digits; * is any.", show_default=False)
    ] = None,
    limit: Limit = 50,
    json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """
    List numbers, newest first.

    \b
    [bold]Examples[/bold]
      midcall numbers list
      midcall numbers list --part 415555
    """
    from msgspec.json import encode

    from midcall.wire.numbers import PhoneNumberPage

    asking = Asking.of(data_dir)
    query = chosen(PhoneNumber=part, PageSize=min(limit, 1_000))
    pages = rest.pages(asking.server, asking.credentials, _path(asking), query, PhoneNumberPage)
    rows = list(islice((row for page in pages for row in page.incoming_phone_numbers), limit))
    if json:
        for row in rows:
            print(encode(row).decode())
        return
    cells = [(row.phone_number, row.sid, _attested(row), _answered_by(row)) for row in rows]
    tables.show(("number", "sid", "attested", "answered by"), cells, nothing="no numbers")


@group.command(cls=Command)
def show(number: Which, json: Json = False, data_dir: DataDir = None) -> None:
    """
    Show one number.

    \b
    [bold]Examples[/bold]
      midcall numbers show +14155550100
    """
    asking = Asking.of(data_dir)
    _print(_found(asking, number), json=json)


@group.command(cls=Command)
def add(
    number: Annotated[str | None, typer.Argument(metavar="NUMBER", help="In E.164 format.", show_default=False)] = None,
    area_code: Annotated[
        str | None, typer.Option(metavar="AAA", help="Any number of this area instead.", show_default=False)
    ] = None,
    voice_url: VoiceUrl = None,
    application_sid: Application = None,
    status_callback: StatusCallback = None,
    friendly_name: Name = None,
    stir_status: Stir = None,
    json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """
    Make a number the account's own: the one that is named, or any of an area.

    \b
    [bold]Examples[/bold]
      midcall numbers add +14155550100 --voice-url http://localhost:3000/office
      midcall numbers add --area-code 415 --stir-status TN-Validation-Passed-A
    """
    if (number is None) == (area_code is None):
        raise Failure("name a number, like +14155550100, or an area with --area-code", ExitCode.USAGE)
    asking = Asking.of(data_dir)
    form = chosen(
        PhoneNumber=number,
        AreaCode=area_code,
        VoiceUrl=voice_url,
        VoiceApplicationSid=application_sid,
        StatusCallback=status_callback,
        FriendlyName=friendly_name,
        StirStatus=stir_status,
    )
    _print(rest.post(asking.server, asking.credentials, _path(asking), form), json=json)


@group.command(cls=Command)
def update(
    number: Which,
    voice_url: VoiceUrl = None,
    application_sid: Application = None,
    status_callback: StatusCallback = None,
    friendly_name: Name = None,
    stir_status: Stir = None,
    json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """
    Change a number; what is not named stays, an empty value clears.

    \b
    [bold]Examples[/bold]
      midcall numbers update +14155550100 --voice-url http://localhost:3000/night
      midcall numbers update +14155550100 --stir-status ""
    """
    asking = Asking.of(data_dir)
    form = chosen(
        VoiceUrl=voice_url,
        VoiceApplicationSid=application_sid,
        StatusCallback=status_callback,
        FriendlyName=friendly_name,
        StirStatus=stir_status,
    )
    if not form:
        raise Failure("say what to change, for instance --voice-url", ExitCode.USAGE)
    path = _path(asking, _sid(asking, number))
    _print(rest.post(asking.server, asking.credentials, path, form, missing=_missing(number)), json=json)


@group.command(cls=Command)
def remove(number: Which, data_dir: DataDir = None) -> None:
    """
    Give a number up; calls that it is in go on.

    \b
    [bold]Examples[/bold]
      midcall numbers remove +14155550100
    """
    asking = Asking.of(data_dir)
    path = _path(asking, _sid(asking, number))
    rest.delete(asking.server, asking.credentials, path, missing=_missing(number))


def _path(asking: Asking, sid: str | None = None) -> str:
    return f"{asking.account}/IncomingPhoneNumbers{'' if sid is None else f'/{quote(sid)}'}.json"


def _sid(asking: Asking, number: str) -> str:
    """The sid of a number that was named by its digits or its sid.

    Raises:
        Failure: the account has none such.
    """
    from midcall.wire.numbers import PhoneNumberPage

    if number.startswith("PN"):
        return number
    page = rest.read(
        rest.get(asking.server, asking.credentials, _path(asking), {"PhoneNumber": number}), PhoneNumberPage
    )
    found = next((row.sid for row in page.incoming_phone_numbers if row.phone_number == number), None)
    if found is None:
        raise Failure(_missing(number))
    return found


def _found(asking: Asking, number: str) -> bytes:
    path = _path(asking, _sid(asking, number))
    return rest.get(asking.server, asking.credentials, path, {}, missing=_missing(number))


def _missing(number: str) -> str:
    return f"the account has no number {number}; midcall numbers list shows those it has"


def _answered_by(row: PhoneNumberResource) -> str:
    if row.voice_application_sid is not None:
        return row.voice_application_sid
    return f"{row.voice_method} {row.voice_url}" if row.voice_url else "nobody"


def _attested(row: PhoneNumberResource) -> str:
    """Without what most statuses begin with, which would fill half a line."""
    return (row.stir_status or "").removeprefix("TN-Validation-")


def _print(body: bytes, *, json: bool) -> None:
    from midcall.wire.numbers import PhoneNumberResource

    if json:
        print(body.decode())
        return
    row = rest.read(body, PhoneNumberResource)
    details = (
        ("number", row.phone_number),
        ("sid", row.sid),
        ("name", row.friendly_name),
        ("answered by", _answered_by(row)),
        ("fallback", row.voice_fallback_url and f"{row.voice_fallback_method} {row.voice_fallback_url}"),
        ("status", row.status_callback and f"{row.status_callback_method} {row.status_callback}"),
        ("attested", row.stir_status),
        ("made", tables.clock(row.date_created)),
    )
    tables.details(details)
