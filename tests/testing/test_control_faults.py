"""What can be done to the way between a client and the server, and that clients live through it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from midcall.core.sids import AccountSid
from midcall.testing.control.wire import Wires
from midcall.testing.people.faults import FaultForm, Faults, shown_by, type_of
from support.control import Kit


async def send(kit: Kit, sid: str, *contents: int) -> None:
    """By REST, in order."""
    for content in contents:
        await kit.rest("POST", f"/Calls/{sid}/UserDefinedMessages.json", {"Content": str(content)})


async def talk(kit: Kit) -> tuple[str, str, str]:
    for name in ("alice", "bob"):
        await kit.person(name)
    placed, came = await kit.talk("alice", "bob")
    return placed, came, (await kit.ask("GET", placed))["sid"]


async def got(kit: Kit, call: str, count: int) -> Sequence[Any]:
    return [(await kit.post(f"{call}/expect_message"))["content"] for _ in range(count)]


async def test_a_dropped_message_never_arrives(kit: Kit) -> None:
    placed, _, sid = await talk(kit)
    fault = {"direction": "to_client", "type": "message", "fault": "drop"}
    assert (await kit.ask("PUT", "/clients/alice/faults", [fault]))["faults"][0]["times"] == 1
    await send(kit, sid, 1, 2)
    assert await got(kit, placed, 1) == [2]
    assert (await kit.ask("GET", "/clients/alice/faults"))["faults"] == []


async def test_messages_change_places(kit: Kit) -> None:
    placed, _, sid = await talk(kit)
    fault = {"direction": "to_client", "type": "message", "fault": "reorder", "by": "1m"}
    await kit.ask("PUT", "/clients/alice/faults", [fault])
    await send(kit, sid, 1, 2, 3)
    assert await got(kit, placed, 3) == [2, 1, 3]


async def test_nothing_is_lost_when_all_messages_of_a_client_are_to_change_places(kit: Kit) -> None:
    placed, _, sid = await talk(kit)
    made = await kit.post("/endpoints", {"name": "messages"}, status=201)
    await kit.rest("POST", f"/Calls/{sid}/UserDefinedMessageSubscriptions.json", {"Callback": made["url"]})
    fault = {"direction": "from_client", "type": "message", "fault": "reorder", "times": None, "by": "1m"}
    await kit.ask("PUT", "/clients/alice/faults", [fault])
    for content in ("1", "2", "3", "4"):
        await kit.post(f"{placed}/send_message", {"content": content, "wait": False})
    contents = [(await kit.post("/endpoints/messages/expect"))["fields"]["Content"] for _ in range(4)]
    assert contents == ["2", "1", "4", "3"]


async def test_a_message_that_is_alone_is_not_kept_for_ever(kit: Kit) -> None:
    placed, _, sid = await talk(kit)
    for direction in ("to_client", "from_client"):
        fault = {"direction": direction, "type": "message", "fault": "reorder", "by": "20ms"}
        await kit.ask("PUT", "/clients/alice/faults", [fault])
        if direction == "to_client":
            await send(kit, sid, 1)
            assert await got(kit, placed, 1) == [1]
        else:
            await kit.post(f"{placed}/send_message", {"content": "x"})


async def test_a_doubled_message_of_a_client_is_stored_once(kit: Kit) -> None:
    placed, _, sid = await talk(kit)
    made = await kit.post("/endpoints", {"name": "messages"}, status=201)
    await kit.rest("POST", f"/Calls/{sid}/UserDefinedMessageSubscriptions.json", {"Callback": made["url"]})
    await kit.ask("PUT", "/clients/alice/faults", [{"direction": "from_client", "type": "message", "fault": "double"}])
    for content in ("first", "second"):
        await kit.post(f"{placed}/send_message", {"content": content})
    contents = [(await kit.post("/endpoints/messages/expect"))["fields"]["Content"] for _ in range(2)]
    assert contents == ["first", "second"]


async def test_a_dropped_answer_leaves_the_caller_ringing(kit: Kit) -> None:
    for name in ("alice", "bob"):
        await kit.person(name)
    await kit.ask("PUT", "/clients/bob/faults", [{"direction": "from_client", "type": "answer", "fault": "drop"}])
    placed = await kit.call("alice", "bob", params={"ring_s": "1"})
    accepting = asyncio.create_task(kit.post(f"{await kit.incoming('bob')}/accept"))
    assert (await kit.post(f"{placed}/expect_end"))["ended_by"] == "disconnect"  # nobody answered, as the app sees it
    await accepting


async def test_a_cut_client_reconnects_once_its_network_is_restored(kit: Kit) -> None:
    placed, came, sid = await talk(kit)
    assert (await kit.ask("PUT", "/clients/alice/network", {"state": "cut"})) == {"state": "cut", "lost": 1}
    await kit.post(f"{placed}/expect", {"event": "reconnecting"})
    await send(kit, sid, 1)
    await kit.post(f"{placed}/expect", {"event": "reconnected", "timeout": "300ms"}, status=422)
    await kit.ask("PUT", "/clients/alice/network", {"state": "restored"})
    await kit.post(f"{placed}/expect", {"event": "reconnected"})
    assert await got(kit, placed, 1) == [1]
    await kit.post(f"{placed}/hang_up")
    await kit.post(f"{came}/expect_end")


async def test_clients_of_other_tenants_are_out_of_reach(kit: Kit) -> None:
    await kit.person("alice")
    other = await kit.subaccount()
    assert (await other.ask("PUT", "/clients/alice/network", {"state": "cut"}))["lost"] == 0
    await kit.person("bob")
    await kit.call("alice", "bob")
    await kit.incoming("bob")


async def test_faults_that_cannot_be_are_refused(kit: Kit) -> None:
    for fault in ({"fault": "drop"}, {"direction": "to_client", "fault": "burn"}, {"direction": "to_client"}, 7):
        await kit.ask("PUT", "/clients/alice/faults", [fault], status=400)
    bad = {"direction": "to_client", "fault": "delay", "by": "soon"}
    await kit.ask("PUT", "/clients/alice/faults", [bad], status=400)
    await kit.ask("PUT", "/clients/alice/network", {"state": "gone"}, status=400)


def test_faults_are_used_up_in_their_order() -> None:
    faults = Faults(
        [
            FaultForm(direction="to_client", fault="drop", type="message", times=2),
            FaultForm(direction="to_client", fault="double", times=None),
        ]
    )
    assert [faults.next("to_client", "message") for _ in range(3)] == [("drop", 1.0), ("drop", 1.0), ("double", 1.0)]
    assert faults.next("to_client", "heartbeat") is None
    assert faults.next("from_client", "message") is None
    assert [form.fault for form in faults.left()] == ["double"]


@pytest.mark.parametrize("frame", ["", "{", '{"type":3}', "[]", "\x00", '"x"', "[" * 5_000])
def test_what_is_no_frame_has_no_type_and_shows_nobody(frame: str) -> None:
    assert type_of(frame) == ""
    assert shown_by(frame) is None


class OneFrame:
    """A socket that brings one frame and then, once it is lost, its end."""

    def __init__(self) -> None:
        self.is_full = False
        self.was_read = asyncio.Event()
        self._lost = asyncio.Event()

    async def receive(self) -> str | None:
        if not self.was_read.is_set():
            self.was_read.set()
            return '{"type":"message"}'
        await self._lost.wait()
        return None

    def write(self, frames: Sequence[bytes]) -> None:
        """Nobody reads them."""

    async def drained(self) -> None:
        return

    async def close(self, code: int) -> None:
        self.abort()

    def abort(self) -> None:
        self._lost.set()


async def test_a_frame_that_is_held_back_is_lost_with_its_socket_at_once() -> None:
    wires, client, socket = Wires(), (AccountSid("AC1"), "alice"), OneFrame()
    wires.disturb(client, Faults([FaultForm(direction="from_client", fault="delay", by="10m")]))
    wire = wires.around(socket, lambda: client)
    receiving = asyncio.create_task(wire.receive())
    await socket.was_read.wait()
    assert wires.cut(client) == 1
    assert await receiving is None
