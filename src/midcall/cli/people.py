"""`midcall people`: virtual people, to try an app with one browser and somebody who answers."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import msgspec
import typer

from midcall.cli import rest, tables
from midcall.cli.asking import Asking, Json
from midcall.cli.failure import ExitCode, Failure
from midcall.cli.help import Command, Program
from midcall.cli.options import DataDir, pairs
from midcall.testing.control_path import CONTROL

group = typer.Typer(
    cls=Program, no_args_is_help=True, help="Virtual people who call and answer (servers in mode dev only)."
)

NO_PEOPLE = "this server has no virtual people: they are there in mode dev only"

Name = Annotated[str, typer.Argument(metavar="NAME", help="What the person is called.", show_default=False)]


class Person(msgspec.Struct):
    """What is shown of a person."""

    name: str
    identity: str | None
    number: str | None
    status: str
    media: str
    calls: list[str]


class _People(msgspec.Struct):
    people: list[Person]


class _Call(msgspec.Struct):
    id: str


@group.command("list", cls=Command)
def list_(json: Json = False, data_dir: DataDir = None) -> None:
    """
    List virtual people.

    \b
    [bold]Examples[/bold]
      midcall people list
    """
    asking = Asking.of(data_dir)
    body = rest.get(asking.server, asking.credentials, f"{CONTROL}/people", {}, missing=NO_PEOPLE)
    people = rest.read(body, _People).people
    if json:
        for person in people:
            print(msgspec.json.encode(person).decode())
        return
    cells = [(each.name, each.number or f"client:{each.identity}", each.status, len(each.calls)) for each in people]
    tables.show(("name", "reached as", "status", "calls"), cells, nothing="no people")


@group.command(cls=Command)
def add(
    name: Name,
    number: Annotated[
        str | None, typer.Option(metavar="NUMBER", help="A phone instead of a client, in E.164.", show_default=False)
    ] = None,
    answers: Annotated[bool, typer.Option("--answers", help="Answers every call, after a second.")] = False,
    rejects: Annotated[bool, typer.Option("--rejects", help="Rejects every call.")] = False,
    says: Annotated[
        str | None,
        typer.Option(metavar="LABEL", help="Says so after answering; has no media then.", show_default=False),
    ] = None,
    tone: Annotated[
        int | None, typer.Option(metavar="HZ", help="A tone after answering.", min=1, max=3_999, show_default=False)
    ] = None,
    hangs_up_after: Annotated[
        str | None, typer.Option(metavar="TIME", help="Such as 5s after answering.", show_default=False)
    ] = None,
    json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """
    Make a virtual person, who is there until the server stops.

    \b
    [bold]Examples[/bold]
      midcall people add bob --answers
      midcall people add bob --answers --tone 440 --hangs-up-after 10s
      midcall people add dan --number +14155550123 --rejects

    <Dial><Client>bob</Client></Dial> and <Dial><Number>+14155550123</Number></Dial> reach them.
    """
    if rejects and (answers or says or tone or hangs_up_after):
        raise Failure("who rejects every call does not answer any: leave the other options away", ExitCode.USAGE)
    if says is not None and tone is not None:
        raise Failure(
            "a label is for people without media, a tone for those with: give --says or --tone", ExitCode.USAGE
        )
    wanted: dict[str, Any] = {"name": name, "on_call": _script(answers, rejects, says, tone, hangs_up_after)}
    if number is not None:
        wanted["number"] = number
    if says is not None:
        wanted["media"] = "none"  # also where the server has media, with which nobody speaks labels
    asking = Asking.of(data_dir)
    body = rest.send(asking.server, asking.credentials, f"{CONTROL}/people", wanted, missing=NO_PEOPLE)
    _print(body, json=json)


@group.command(cls=Command)
def call(
    name: Name,
    to: Annotated[str, typer.Argument(metavar="TO", help="Parameter To; of a phone a number.", show_default=False)],
    param: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="For the app. Repeatable.", show_default=False)
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """
    Let a virtual person call; prints the call's id.

    \b
    [bold]Examples[/bold]
      midcall people call bob alice
      midcall people call bob alice --param topic=billing
      midcall people call dan +14155550100
    """
    params = pairs("--param", param or (), form="KEY=VALUE")
    asking = Asking.of(data_dir)
    path = f"{CONTROL}/people/{quote(name, safe='')}/calls"
    body = rest.send(asking.server, asking.credentials, path, {"to": to, "params": params}, missing=_nobody(name))
    print(rest.read(body, _Call).id)


@group.command(cls=Command)
def remove(name: Name, data_dir: DataDir = None) -> None:
    """
    Let a virtual person hang up and leave.

    \b
    [bold]Examples[/bold]
      midcall people remove bob
    """
    asking = Asking.of(data_dir)
    path = f"{CONTROL}/people/{quote(name, safe='')}"
    rest.delete(asking.server, asking.credentials, path, missing=_nobody(name))


def _script(
    answers: bool, rejects: bool, says: str | None, tone: int | None, hangs_up_after: str | None
) -> list[dict[str, object]]:
    if rejects:
        return [{"reject": {}}]
    if not (answers or says or tone or hangs_up_after):
        return []
    steps: list[dict[str, object]] = [{"ring": "1s"}, {"answer": {}}]
    if says is not None or tone is not None:
        steps.append({"speak": {"label": says} if tone is None else {"tone_hz": tone}})
    if hangs_up_after is not None:
        steps += [{"listen": hangs_up_after}, {"hang_up": {}}]
    return steps


def _nobody(name: str) -> str:
    return f"no virtual person is called {name}; see: midcall people list"


def _print(body: bytes, *, json: bool) -> None:
    if json:
        print(body.decode())
        return
    person = rest.read(body, Person)
    tables.details(
        (("name", person.name), ("reached as", person.number or f"client:{person.identity}"), ("status", person.status))
    )
