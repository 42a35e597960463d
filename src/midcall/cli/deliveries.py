"""`midcall deliveries` and `midcall subscriptions`: callbacks, what was tried, and sending it once more."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from midcall.cli import rest, tables
from midcall.cli.asking import Asking, Call, Json, Limit, Since, chosen, moment, no_call, sid
from midcall.cli.failure import ExitCode, Failure
from midcall.cli.help import Command, Program
from midcall.cli.options import DataDir

if TYPE_CHECKING:
    from midcall.wire.records import ReplayRecord

group = typer.Typer(
    cls=Program, no_args_is_help=True, help="What was tried to bring messages to callbacks, and sending them once more."
)
subscriptions = typer.Typer(cls=Program, no_args_is_help=True, help="Which callbacks hear which calls.")

Subscription = Annotated[
    str | None, typer.Option(metavar="ZY…", help="Only what this subscription heard.", show_default=False)
]
Url = Annotated[str | None, typer.Option(help="Another address than the subscription's.", show_default=False)]
Method = Annotated[Literal["GET", "POST"] | None, typer.Option(help="For that address.", show_default=False)]
CallSid = Annotated[str, typer.Argument(metavar="CA…", help="Sid of the call.", show_default=False)]


@subscriptions.command("list", cls=Command)
def list_subscriptions(call: Call = None, limit: Limit = 50, json: Json = False, data_dir: DataDir = None) -> None:
    """
    List subscriptions with the state of their lanes, newest first.

    \b
    [bold]Examples[/bold]
      midcall subscriptions list --call CA0123456789abcdef0123456789abcdef
    """
    from msgspec.json import encode

    from midcall.wire.records import SubscriptionPage

    asking = Asking.of(data_dir)
    query = chosen(CallSid=None if call is None else sid(call, "CA"), PageSize=min(limit, 1_000))
    path = f"{asking.extension}/Subscriptions.json"
    pages = rest.pages(asking.server, asking.credentials, path, query, SubscriptionPage)
    rows = list(islice((row for page in pages for row in page.subscriptions), limit))
    if json:
        for row in rows:
            print(encode(row).decode())
        return
    columns = ("subscription", "call", "state", "delivered", "attempts", "next attempt", "callback")
    cells = [
        (
            row.sid,
            row.call_sid,
            f"{row.state}: {row.reason}" if row.reason else row.state,
            row.delivered_up_to,
            row.attempts,
            tables.clock(row.next_attempt_at),
            f"{row.method} {row.callback}",
        )
        for row in rows
    ]
    tables.show(columns, cells, nothing="no subscriptions")


@group.command("list", cls=Command)
def list_(
    call: CallSid,
    state: Annotated[
        Literal["waiting", "retrying", "delivered", "undelivered"] | None,
        typer.Option(help="Only deliveries in this state.", show_default=False),
    ] = None,
    subscription: Subscription = None,
    limit: Limit = 50,
    json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """
    List what was tried for each message of a call's client, newest first.

    \b
    [bold]Examples[/bold]
      midcall deliveries list CA0123456789abcdef0123456789abcdef --state retrying
    """
    from msgspec.json import encode

    from midcall.wire.records import DeliveryPage

    asking = Asking.of(data_dir)
    query = chosen(
        State=state,
        SubscriptionSid=None if subscription is None else sid(subscription, "ZY"),
        PageSize=min(limit, 1_000),
    )
    path = f"{asking.account}/Calls/{sid(call, 'CA')}/Deliveries.json"
    pages = rest.pages(asking.server, asking.credentials, path, query, DeliveryPage, missing=no_call(call))
    rows = list(islice((row for page in pages for row in page.deliveries), limit))
    if json:
        for row in rows:
            print(encode(row).decode())
        return
    columns = ("number", "message", "by", "state", "attempts", "last", "last sent", "url")
    cells = [
        (
            row.sequence_number,
            row.message_sid,
            row.replay_sid or row.subscription_sid,
            f"{row.state}: {row.reason}" if row.reason else row.state,
            row.attempts,
            row.last_status or row.last_error,
            tables.clock(row.last_sent_at),
            f"{row.method} {row.url}",
        )
        for row in rows
    ]
    tables.show(columns, cells, nothing="no deliveries")


@group.command(cls=Command)
def undelivered(
    call: Call = None, since: Since = None, limit: Limit = 50, json: Json = False, data_dir: DataDir = None
) -> None:
    """
    List what was given up, newest first.

    \b
    [bold]Examples[/bold]
      midcall deliveries undelivered --since 2h
    """
    from msgspec.json import encode

    from midcall.wire.records import UndeliveredList

    asking = Asking.of(data_dir)
    query = chosen(
        CallSid=None if call is None else sid(call, "CA"),
        Since=None if since is None else moment(since),
        Limit=min(limit, 10_000),
    )
    body = rest.get(asking.server, asking.credentials, f"{asking.extension}/Undelivered.json", query)
    rows = rest.read(body, UndeliveredList).undelivered
    if json:
        for row in rows:
            print(encode(row).decode())
        return
    columns = ("gave up", "call", "direction", "number", "message", "resolved by", "reason")
    cells = [
        (
            tables.clock(row.gave_up_at),
            row.call_sid,
            row.direction,
            row.sequence_number,
            row.message_sid,
            row.resolved_by,
            row.reason,
        )
        for row in rows
    ]
    tables.show(columns, cells, nothing="nothing was given up")


@group.command(cls=Command)
def redeliver(
    call: CallSid,
    message: Annotated[str, typer.Argument(metavar="KX…", help="Sid of the message.", show_default=False)],
    subscription: Subscription = None,
    url: Url = None,
    method: Method = None,
    json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """
    Send one message to its callbacks once more, with the same ids.

    \b
    [bold]Examples[/bold]
      midcall deliveries redeliver CA0123456789abcdef0123456789abcdef KX0123456789abcdef0123456789abcdef
    """
    form = chosen(CallSid=sid(call, "CA"), MessageSid=sid(message, "KX"), Url=url, Method=method)
    missing = f"{call} has no message {message} that can be sent; see: midcall messages list --call {call}"
    _start(form, subscription, missing=missing, json=json, data_dir=data_dir)


@group.command(cls=Command)
def replay(
    call: Annotated[str | None, typer.Argument(metavar="[CA…]", help="Sid of the call.", show_default=False)] = None,
    first: Annotated[
        int | None, typer.Option("--from", min=0, help="First sequence number.", show_default=False)
    ] = None,
    last: Annotated[int | None, typer.Option("--to", min=0, help="Last sequence number.", show_default=False)] = None,
    undelivered: Annotated[bool, typer.Option("--undelivered", help="Only what was given up.")] = False,
    since: Since = None,
    subscription: Subscription = None,
    url: Url = None,
    method: Method = None,
    json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """
    Send a call's messages to their callbacks once more, or all that was given up.

    Requests carry the same ids as the first ones, and the header X-Midcall-Replay.

    \b
    [bold]Examples[/bold]
      midcall deliveries replay CA0123456789abcdef0123456789abcdef --from 3 --to 7
      midcall deliveries replay --undelivered --since 2h
      midcall deliveries replay CA0123456789abcdef0123456789abcdef --url http://localhost:3000/again
    """
    if call is None and not undelivered and since is None:
        raise Failure("name a call, or add --undelivered to send all that was given up", ExitCode.USAGE)
    form = chosen(
        CallSid=None if call is None else sid(call, "CA"),
        FirstSequenceNumber=first,
        LastSequenceNumber=last,
        Undelivered="true" if undelivered or since is not None else None,
        Since=None if since is None else moment(since),
        Url=url,
        Method=method,
    )
    _start(form, subscription, missing=no_call(call), json=json, data_dir=data_dir)


@group.command(cls=Command)
def replays(call: Call = None, limit: Limit = 50, json: Json = False, data_dir: DataDir = None) -> None:
    """
    List replays and how far they are, newest first.

    \b
    [bold]Examples[/bold]
      midcall deliveries replays
    """
    from midcall.wire.records import ReplayPage

    asking = Asking.of(data_dir)
    query = chosen(CallSid=None if call is None else sid(call, "CA"), PageSize=min(limit, 1_000))
    pages = rest.pages(asking.server, asking.credentials, f"{asking.extension}/Replays.json", query, ReplayPage)
    _show_replays(list(islice((row for page in pages for row in page.replays), limit)), json=json, nothing="no replays")


@group.command(cls=Command)
def stop(
    replay: Annotated[str, typer.Argument(metavar="RP…", help="Sid of the replay.", show_default=False)],
    data_dir: DataDir = None,
) -> None:
    """
    Stop a replay that runs; what it has sent stays sent.

    \b
    [bold]Examples[/bold]
      midcall deliveries stop RP0123456789abcdef0123456789abcdef
    """
    asking = Asking.of(data_dir)
    path = f"{asking.extension}/Replays/{sid(replay, 'RP')}.json"
    rest.delete(asking.server, asking.credentials, path, missing=f"{replay} does not run")


def _start(
    form: dict[str, str], subscription: str | None, *, missing: str | None, json: bool, data_dir: str | None
) -> None:
    from midcall.wire.records import StartedReplays

    if subscription is not None:
        form["SubscriptionSid"] = sid(subscription, "ZY")
        missing = f"no such subscription {subscription} is known here; see: midcall subscriptions list"
    asking = Asking.of(data_dir)
    body = rest.post(asking.server, asking.credentials, f"{asking.extension}/Replays.json", form, missing=missing)
    started = rest.read(body, StartedReplays).replays
    _show_replays(started, json=json, nothing="there is nothing to send")


def _show_replays(rows: Sequence[ReplayRecord], *, json: bool, nothing: str) -> None:
    if json:
        from msgspec.json import encode

        for row in rows:
            print(encode(row).decode())
        return
    columns = ("replay", "call", "state", "messages", "left", "numbers", "url")
    cells = [
        (
            row.sid,
            row.call_sid,
            f"{row.state}: {row.reason}" if row.reason else row.state,
            row.messages,
            row.remaining,
            _numbers(row),
            f"{row.method} {row.url}",
        )
        for row in rows
    ]
    tables.show(columns, cells, nothing=nothing)


def _numbers(row: ReplayRecord) -> str:
    shown = [str(first) if first == last else f"{first}-{last}" for first, last in row.sequence_numbers]
    return " ".join(shown[:5]) + (" …" if len(shown) > 5 else "")
