"""The part of the control API that is about the way between clients and server: faults, and a network that is cut."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from midcall.app.assembly import App
from midcall.testing.control.bodies import NetworkForm
from midcall.testing.control.edge import Asked, Edge, plain
from midcall.testing.control.wire import Client, Wires
from midcall.testing.people.everybody import Everybody
from midcall.testing.people.faults import FaultForm, Faults


class NetworkView(msgspec.Struct, frozen=True):
    """Attributes: the state; how many sockets the client has lost just now."""

    state: str
    lost: int = 0


class FaultsView(msgspec.Struct, frozen=True):
    faults: Sequence[FaultForm]


class ClientRoutes:
    """Handlers over `Wires`, for clients by their identity, or for phones by their number."""

    def __init__(self, everybody: Everybody, app: App, edge: Edge, wires: Wires) -> None:
        self._everybody = everybody
        self._app = app
        self._edge = edge
        self._wires = wires

    def add(self) -> None:
        """Add the routes."""
        network, faults = plain("/clients/{identity}/network"), plain("/clients/{identity}/faults")
        self._edge.add("GET", network, self.network)
        self._edge.add("PUT", network, self.change_network, NetworkForm)
        self._edge.add("GET", faults, self.faults)
        self._edge.add("PUT", faults, self.disturb, list[FaultForm])
        self._edge.add("DELETE", faults, self.heal, status=204)

    async def network(self, asked: Asked) -> NetworkView:
        return NetworkView("cut" if self._wires.is_cut(self._client(asked)) else "restored")

    async def change_network(self, asked: Asked) -> NetworkView:
        client, form = self._client(asked), asked.body
        self._note(asked, "network", {"state": form.state})
        if form.state == "restored":
            self._wires.restore(client)
            return NetworkView("restored")
        return NetworkView("cut", self._wires.cut(client))

    async def faults(self, asked: Asked) -> FaultsView:
        return self._view(asked)

    async def disturb(self, asked: Asked) -> FaultsView:
        self._wires.disturb(self._client(asked), Faults(asked.body))
        for form in asked.body:
            self._note(asked, "fault", msgspec.to_builtins(form))
        return self._view(asked)

    async def heal(self, asked: Asked) -> None:
        self._wires.heal(self._client(asked))

    def _view(self, asked: Asked) -> FaultsView:
        faults = self._wires.faults_of(self._client(asked))
        return FaultsView([] if faults is None else faults.left())

    def _client(self, asked: Asked) -> Client:
        name = asked.path["identity"]
        return asked.account, self._app.phones.client_of(asked.account, name) or name

    def _note(self, asked: Asked, what: str, detail: dict[str, Any]) -> None:
        self._everybody.of(asked.account).journal.note(asked.path["identity"], what, detail)
