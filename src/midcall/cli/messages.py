"""`midcall messages`: what was said on calls, in both directions, and what became of it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from midcall.cli import rest, tables
from midcall.cli.asking import Asking, Call, Json, Limit, Since, chosen, moment, no_call, sid
from midcall.cli.failure import ExitCode, Failure
from midcall.cli.help import Command, Program
from midcall.cli.options import DataDir

if TYPE_CHECKING:
    from midcall.wire.records import DeliveryRecord, MessageRecord

HELP = "What was said on calls, in both directions, and what became of it."
CONTENT_CHARS = 200
TAIL_S = 0.5
TAIL_ROWS = 100

group = typer.Typer(cls=Program, no_args_is_help=True, help=HELP)

Direction = Annotated[
    Literal["from-client", "to-client"] | None, typer.Option(help="Only this direction.", show_default=False)
]
State = Annotated[
    Literal["stored", "written", "received", "delivered", "undelivered"] | None,
    typer.Option(help="Only messages in this state.", show_default=False),
]
CallSid = Annotated[str, typer.Argument(metavar="CA…", help="Sid of the call.", show_default=False)]


@group.command("list", cls=Command)
def list_(
    call: Call = None,
    direction: Direction = None,
    state: State = None,
    limit: Limit = 50,
    json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """
    List messages, newest first.

    \b
    [bold]Examples[/bold]
      midcall messages list
      midcall messages list --call CA0123456789abcdef0123456789abcdef --state undelivered
    """
    asking = Asking.of(data_dir)
    calls = [sid(call, "CA")] if call is not None else _calls(asking)
    query = chosen(Direction=direction, State=state, PageSize=min(limit, 1_000))
    rows = islice((row for one in calls for row in _messages(asking, one, query)), limit)
    _show(rows, json=json)


@group.command(cls=Command)
def show(
    call: CallSid,
    message: Annotated[str, typer.Argument(metavar="KX…", help="Sid of the message.", show_default=False)],
    json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """
    Show one message: its content, its times, and each delivery.

    \b
    [bold]Examples[/bold]
      midcall messages show CA0123456789abcdef0123456789abcdef KX0123456789abcdef0123456789abcdef
    """
    from midcall.wire.records import MessageRecord

    asking = Asking.of(data_dir)
    path = f"{asking.account}/Calls/{sid(call, 'CA')}/UserDefinedMessages/{sid(message, 'KX')}.json"
    body = rest.get(asking.server, asking.credentials, path, {}, missing=f"{call} has no message {message}")
    if json:
        print(body.decode())
        return
    record = rest.read(body, MessageRecord)
    for name, value in _details(record):
        print(rest.printable(f"{name:10} {value}"))
    for delivery in _deliveries_of(asking, record):
        print(rest.printable(_delivery(delivery)))


@group.command(cls=Command)
def tail(call: Call = None, json: Json = False, data_dir: DataDir = None) -> None:
    """
    Print messages as they come, of one call or of all live calls. Ends with Ctrl-C.

    \b
    [bold]Examples[/bold]
      midcall messages tail
      midcall messages tail --call CA0123456789abcdef0123456789abcdef --json
    """
    asking = Asking.of(data_dir)
    wanted = None if call is None else sid(call, "CA")
    seen: dict[str, None] = {}
    followed: set[str] = set()
    first = True
    try:
        while True:
            live = {wanted} if wanted is not None else _live(asking)
            rows = [row for one in live | followed for row in _newest(asking, one)]
            fresh = [row for row in rows if f"{row.direction} {row.sid}" not in seen]
            seen.update(dict.fromkeys(f"{row.direction} {row.sid}" for row in fresh))
            if not first:
                _show(sorted(fresh, key=lambda row: (row.accepted_at, row.sequence_number)), json=json, quiet=True)
                sys.stdout.flush()
            first, followed = False, live
            time.sleep(TAIL_S)
    except KeyboardInterrupt:
        return


@group.command(cls=Command)
def send(
    call: CallSid,
    content: Annotated[
        str, typer.Argument(metavar="JSON", help="The message, as JSON text; - reads it.", show_default=False)
    ],
    to_identity: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Who is meant, wherever on the call: any leg's sid will do then.",
            show_default=False,
        ),
    ] = None,
    json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """
    Send a message to the client on a call.

    \b
    [bold]Examples[/bold]
      midcall messages send CA0123456789abcdef0123456789abcdef '{"text": "hello"}'
      midcall messages send CA0123456789abcdef0123456789abcdef '{"text": "hello"}' --to-identity bob
      echo '"hello"' | midcall messages send CA0123456789abcdef0123456789abcdef -
    """
    from midcall.wire.resources import MessageResource

    asking = Asking.of(data_dir)
    text = _json(sys.stdin.read().strip() if content == "-" else content)
    path = f"{asking.account}/Calls/{sid(call, 'CA')}/UserDefinedMessages.json"
    form = chosen(Content=text, Identity=to_identity)
    body = rest.post(asking.server, asking.credentials, path, form, missing=no_call(call))
    print(body.decode() if json else rest.read(body, MessageResource).sid)


@group.command(cls=Command)
def export(call: Call = None, since: Since = None, data_dir: DataDir = None) -> None:
    """
    Print everything that was said as JSON lines, each call's messages in order.

    \b
    [bold]Examples[/bold]
      midcall messages export > messages.jsonl
      midcall messages export --call CA0123456789abcdef0123456789abcdef --since 2h
    """
    asking = Asking.of(data_dir)
    query = chosen(CallSid=None if call is None else sid(call, "CA"), Since=None if since is None else moment(since))
    out = sys.stdout.buffer
    path = f"{asking.extension}/Messages.json"
    for line in rest.lines(asking.server, asking.credentials, path, query, missing=no_call(call)):
        out.write(line)
    out.flush()


def _json(text: str) -> str:
    from msgspec import DecodeError, json

    try:
        json.decode(text)
    except (DecodeError, RecursionError):
        example = f"'{json.encode(text[:20]).decode()}'" if text else "'{}'"
        raise Failure(
            f"a message is JSON, and this is not; a text has to be quoted: {example}", ExitCode.USAGE
        ) from None
    return text


def _calls(asking: Asking, status: str | None = None) -> Iterator[str]:
    """Sids of the account's calls, newest first."""
    from midcall.wire.resources import CallPage

    path = f"{asking.account}/Calls.json"
    for page in rest.pages(asking.server, asking.credentials, path, chosen(Status=status), CallPage):
        yield from (call.sid for call in page.calls)


def _live(asking: Asking) -> set[str]:
    return {call for status in ("ringing", "in-progress") for call in _calls(asking, status)}


def _messages(asking: Asking, call: str, query: dict[str, str]) -> Iterator[MessageRecord]:
    from midcall.wire.records import MessagePage

    path = f"{asking.account}/Calls/{call}/UserDefinedMessages.json"
    for page in rest.pages(asking.server, asking.credentials, path, query, MessagePage, missing=no_call(call)):
        yield from page.user_defined_messages


def _newest(asking: Asking, call: str) -> Sequence[MessageRecord]:
    return list(islice(_messages(asking, call, {"PageSize": str(TAIL_ROWS)}), TAIL_ROWS))


def _show(rows: Iterator[MessageRecord] | Sequence[MessageRecord], *, json: bool, quiet: bool = False) -> None:
    if json:
        from msgspec.json import encode

        for row in rows:
            print(encode(row).decode())
        return
    if quiet:
        for row in rows:
            print(rest.printable("  ".join(_cells(row))))
        return
    columns = ("accepted", "call", "direction", "number", "message", "state", "content")
    tables.show(columns, map(_cells, rows), nothing="no messages")


def _cells(row: MessageRecord) -> tuple[str, ...]:
    content = row.content if len(row.content) <= CONTENT_CHARS else row.content[: CONTENT_CHARS - 1] + "…"
    state = f"{row.state}: {row.reason}" if row.reason else row.state
    return tables.clock(row.accepted_at), row.call_sid, row.direction, row.sequence_number, row.sid, state, content


def _details(record: MessageRecord) -> Iterator[tuple[str, str]]:
    yield "message", f"{record.sid}  {record.direction}, number {record.sequence_number}"
    yield "content", f"{record.content}  ({record.content_type})"
    yield "state", f"{record.state}: {record.reason}" if record.reason else record.state
    for name in ("accepted", "stored", "written", "received", "delivered", "gave_up"):
        at: str | None = getattr(record, f"{name}_at")
        if at is not None:
            yield name.replace("_", " "), tables.clock(at)


def _deliveries_of(asking: Asking, record: MessageRecord) -> Iterator[DeliveryRecord]:
    from midcall.wire.records import DeliveryPage

    if record.direction == "to-client":
        return
    path = f"{asking.account}/Calls/{record.call_sid}/Deliveries.json"
    for page in rest.pages(asking.server, asking.credentials, path, {"PageSize": "1000"}, DeliveryPage):
        found = [row for row in page.deliveries if row.message_sid == record.sid]
        yield from found
        if found:
            return


def _delivery(row: DeliveryRecord) -> str:
    last = f", last answer {row.last_status or row.last_error}" if row.attempts else ""
    lane = row.replay_sid or row.subscription_sid
    reason = f" ({row.reason})" if row.reason else ""
    return f"delivery   {lane}  {row.method} {row.url}: {row.state}{reason}, attempts {row.attempts}{last}"
