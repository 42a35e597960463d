"""`midcall calls`: calls of the account, and what their clients told about them."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from midcall.cli import rest, tables
from midcall.cli.asking import Asking, Json, Limit, chosen, sid
from midcall.cli.help import Command, Program
from midcall.cli.options import DataDir

if TYPE_CHECKING:
    from midcall.wire.feedback import InsightRecord
    from midcall.wire.resources import CallResource

HELP = "Calls of the account, and what their clients told about them."
MANY = 1_000

group = typer.Typer(cls=Program, no_args_is_help=True, help=HELP)

CallSid = Annotated[str, typer.Argument(metavar="CA…", help="Sid of the call.", show_default=False)]
Status = Annotated[
    Literal["queued", "ringing", "in-progress", "completed", "busy", "failed", "no-answer", "canceled"] | None,
    typer.Option(help="Only calls with this status.", show_default=False),
]
Level = Annotated[
    Literal["debug", "info", "warning", "error"] | None,
    typer.Option(help="Only events of this level.", show_default=False),
]


@group.command("list", cls=Command)
def list_(status: Status = None, limit: Limit = 50, json: Json = False, data_dir: DataDir = None) -> None:
    """
    List calls, newest first.

    \b
    [bold]Examples[/bold]
      midcall calls list
      midcall calls list --status in-progress
    """
    from midcall.wire.resources import CallPage

    asking = Asking.of(data_dir)
    query = chosen(Status=status, PageSize=min(limit, MANY))
    pages = rest.pages(asking.server, asking.credentials, f"{asking.account}/Calls.json", query, CallPage)
    rows = islice((call for page in pages for call in page.calls), limit)
    if json:
        _print_json(rows)
        return
    columns = ("made", "call", "direction", "status", "seconds", "from", "to")
    tables.show(columns, map(_call_cells, rows), nothing="no calls")


@group.command(cls=Command)
def show(call: CallSid, json: Json = False, data_dir: DataDir = None) -> None:
    """
    Show one call as REST has it.

    \b
    [bold]Examples[/bold]
      midcall calls show CA0123456789abcdef0123456789abcdef
    """
    from msgspec import to_builtins

    from midcall.wire.resources import CallResource

    asking = Asking.of(data_dir)
    path = f"{asking.account}/Calls/{sid(call, 'CA')}.json"
    body = rest.get(asking.server, asking.credentials, path, {}, missing=f"there is no call {call}")
    if json:
        print(body.decode())
        return
    shown = to_builtins(rest.read(body, CallResource))
    tables.details(((name, value) for name, value in shown.items() if not isinstance(value, dict)), width=18)


@group.command(cls=Command)
def insights(
    call: CallSid,
    level: Level = None,
    limit: Limit = 200,
    json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """
    Show what a call's client told: quality, warnings, feedback, and each event, newest first.

    A client is on one leg: ask for the leg (the parent's or the child's sid) of the person you want to know about.

    \b
    [bold]Examples[/bold]
      midcall calls insights CA0123456789abcdef0123456789abcdef
      midcall calls insights CA0123456789abcdef0123456789abcdef --level warning
      midcall calls insights CA0123456789abcdef0123456789abcdef --json
    """
    asking = Asking.of(data_dir)
    leg = sid(call, "CA")
    if json:
        _print_json(islice(_insights(asking, leg, Level=level), limit))
        return
    samples = list(islice(_insights(asking, leg, Kind="sample"), MANY * 10))
    tables.details((*_quality(samples), ("feedback", _feedback(asking, leg))), width=14)
    # They arrive a little out of order: the SDK posts each on its own.
    found = islice(_insights(asking, leg, Kind="event", Level=level), limit)
    events = sorted(found, key=lambda row: row.timestamp, reverse=True)
    print()
    tables.show(("time", "level", "group", "name", "details"), map(_event_cells, events), nothing="no events")


def _insights(asking: Asking, call: str, **query: str | None) -> Iterator[InsightRecord]:
    from midcall.wire.feedback import InsightPage

    path = f"{asking.account}/Calls/{call}/Insights.json"
    chosen_query = chosen(PageSize=MANY, **query)
    for page in rest.pages(
        asking.server, asking.credentials, path, chosen_query, InsightPage, missing=f"there is no call {call}"
    ):
        yield from page.insights


def _print_json(rows: Iterator[Any]) -> None:
    from msgspec.json import encode

    for row in rows:
        print(encode(row).decode())


# ----------------------------------------------------------------------------------------------------- what is printed


def _call_cells(call: CallResource) -> tuple[str | None, ...]:
    made = tables.clock(call.date_created)
    return made, call.sid, call.direction, call.status, call.duration, call.from_, call.to


def _quality(samples: Sequence[InsightRecord]) -> Iterator[tuple[str, str]]:
    """One line a figure, of all samples that have it."""
    codecs = dict.fromkeys(str(row.payload["audio_codec"]) for row in samples if row.payload.get("audio_codec"))
    yield "samples", f"{len(samples)}, one a second" + (f", {' then '.join(codecs)}" if codecs else "")
    yield "mos", _spread(samples, "mos", "", worst=min)
    yield "jitter", _spread(samples, "jitter", " ms", worst=max)
    yield "round trip", _spread(samples, "rtt", " ms", worst=max)
    yield "packets lost", _spread(samples, "packets_lost_fraction", " %", worst=max)


def _spread(samples: Sequence[InsightRecord], name: str, unit: str, *, worst: Any) -> str:
    values = [value for row in samples if isinstance(value := row.payload.get(name), int | float)]
    if not values:
        return "not known"
    return f"{statistics.fmean(values):.2f}{unit} on average, {worst(values):.2f}{unit} at worst"


def _feedback(asking: Asking, call: str) -> str:
    from midcall.wire.feedback import FeedbackResource

    path = f"{asking.account}/Calls/{call}/Feedback.json"
    try:
        body = rest.get(asking.server, asking.credentials, path, {}, missing="nobody gave feedback")
    except rest.Missing:
        return "none"
    given = rest.read(body, FeedbackResource)
    return f"{given.quality_score} of 5" + (f", {', '.join(given.issues)}" if given.issues else "")


_KNOWN_BY_OTHER_MEANS = frozenset(
    {
        "aggressive_nomination",
        "audio_codec",
        "browser_extension",
        "call_sid",
        "direction",
        "dscp",
        "gateway",
        "ice_restart_enabled",
        "platform",
        "region",
        "sdk_version",
        "temp_call_sid",
    }
)
"""Each event of the browser SDK has these; they would hide what is its own."""


def _plain(value: object) -> str:
    from msgspec.json import encode

    return value if isinstance(value, str) else encode(value).decode()


def _event_cells(row: InsightRecord) -> tuple[str, ...]:
    own = (f"{name}={_plain(value)}" for name, value in row.payload.items() if name not in _KNOWN_BY_OTHER_MEANS)
    return tables.clock(row.timestamp), row.level, row.group, row.name, " ".join(own)
