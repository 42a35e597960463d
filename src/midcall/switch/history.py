"""What was said on legs and what became of it: for people who look, not for the message path.

Reads pages of a leg's logs with their standing; `core.progress` says what that means.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from midcall.core import errors
from midcall.core.calls import Call, CallFilter
from midcall.core.errors import Refused
from midcall.core.lanes import DeliveryState
from midcall.core.messages import Entry, Log
from midcall.core.progress import LaneProgress, MessageState, Progress, lanes_of, progress_of
from midcall.core.sids import AccountSid, CallSid
from midcall.ports import Devices, PageRequest, PageResult, Store
from midcall.switch.messages import Messages

CHUNK: Final = 200
"""Rows of one read: a reader of the store must not be held up for long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A message, what became of it, and how it fares on each lane (of messages from a client).

    Attributes:
        stored_at: when its commit was seen; None for all but the newest messages of this process.
    """

    entry: Entry
    progress: Progress
    lanes: Sequence[LaneProgress]
    stored_at: float | None

    @property
    def sid(self) -> str:
        return self.entry.sid


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFilter:
    """Which deliveries are listed; None: any."""

    state: DeliveryState | None = None
    lane_id: str | None = None


class History:
    """Reads what was said. Raises `Refused(NOT_FOUND)` for a call that is not the account's."""

    def __init__(self, *, store: Store, messages: Messages, devices: Devices) -> None:
        self._store = store
        self._messages = messages
        self._devices = devices

    async def message(self, account: AccountSid, leg: CallSid, sid: str) -> Told:
        """One message of either direction."""
        entry = await self._store.entry(account, leg, sid)
        if entry is None:
            raise Refused(errors.NOT_FOUND)
        (told,) = await self._tell(account, leg, [entry])
        return told

    async def messages(
        self, account: AccountSid, leg: CallSid, page: PageRequest, *, log: Log | None, state: MessageState | None
    ) -> PageResult[Told]:
        """Messages of a leg, newest first."""

        def wanted(told: Told) -> Told | None:
            return told if state in (None, told.progress.state) else None

        return await self._filtered(account, leg, page, log, wanted)

    async def deliveries(
        self, account: AccountSid, leg: CallSid, page: PageRequest, where: DeliveryFilter
    ) -> PageResult[Told]:
        """Messages of a leg's client that have deliveries like these, newest first, each with only these lanes."""

        def wanted(told: Told) -> Told | None:
            lanes = [
                lane
                for lane in told.lanes
                if where.state in (None, lane.state) and where.lane_id in (None, lane.lane.id)
            ]
            return replace(told, lanes=lanes) if lanes else None

        return await self._filtered(account, leg, page, Log.FROM_CLIENT, wanted)

    async def export(self, account: AccountSid, leg: CallSid | None, *, since: float | None) -> AsyncIterator[Told]:
        """Every message of a leg or of the account's calls, newest call first, each call's messages in order."""
        if leg is not None:
            async for told in self._whole(await self._call(account, leg), since):
                yield told
            return
        after: str | None = None
        while True:
            calls = await self._store.calls(account, CallFilter(), PageRequest(size=CHUNK, after=after))
            for call in calls.rows:
                async for told in self._whole(call, since):
                    yield told
            if not calls.has_next:
                return
            after = calls.rows[-1].sid

    async def _whole(self, call: Call, since: float | None) -> AsyncIterator[Told]:
        for log in (Log.FROM_CLIENT, Log.TO_CLIENT):
            seq = -1
            while entries := await self._store.entries_after(call.sid, log, seq, CHUNK):
                seq = entries[-1].seq
                chosen = [entry for entry in entries if since is None or entry.at >= since]
                for told in await self._tell(call.account_sid, call.sid, chosen):
                    yield told

    async def _filtered(
        self,
        account: AccountSid,
        leg: CallSid,
        page: PageRequest,
        log: Log | None,
        wanted: Callable[[Told], Told | None],
    ) -> PageResult[Told]:
        """A page of what is wanted among all messages, found by reading on until it is full."""
        await self._call(account, leg)
        backwards = page.before is not None
        found: list[Told] = []
        chunk = replace(page, size=CHUNK)
        while True:
            read = await self._store.entries(account, leg, log, chunk)
            told = [kept for row in await self._tell(account, leg, read.rows) if (kept := wanted(row)) is not None]
            found = [*told, *found] if backwards else [*found, *told]
            more = read.has_previous if backwards else read.has_next
            if len(found) > page.size or not more or not read.rows:
                break
            chunk = (
                PageRequest(size=CHUNK, before=read.rows[0].sid)
                if backwards
                else PageRequest(size=CHUNK, after=read.rows[-1].sid)
            )
        beyond = len(found) > page.size
        if backwards:
            return PageResult(found[-page.size :], has_next=True, has_previous=beyond, following=page.before)
        following = found[page.size].sid if beyond else None
        is_later = (page.first or page.after) is not None
        return PageResult(found[: page.size], has_next=beyond, has_previous=is_later, following=following)

    async def _tell(self, account: AccountSid, leg: CallSid, entries: Sequence[Entry]) -> Sequence[Told]:
        if not entries:
            return []
        from_client, to_client = (_numbers(entries, log) for log in (Log.FROM_CLIENT, Log.TO_CLIENT))
        standing = await self._store.standing(account, leg, from_client, to_client)
        return [
            Told(
                entry=entry,
                progress=progress_of(entry, standing, written_at=self._written_at(entry)),
                lanes=lanes_of(entry, standing),
                stored_at=self._messages.stored_at(entry.sid),
            )
            for entry in entries
        ]

    def _written_at(self, entry: Entry) -> float | None:
        return self._devices.written_at(entry.leg_sid, entry.seq) if entry.log is Log.TO_CLIENT else None

    async def _call(self, account: AccountSid, leg: CallSid) -> Call:
        call = await self._store.call(account, leg)
        if call is None:
            raise Refused(errors.NOT_FOUND)
        return call


def _numbers(entries: Sequence[Entry], log: Log) -> range:
    seqs = [entry.seq for entry in entries if entry.log is log]
    return range(min(seqs), max(seqs) + 1) if seqs else range(0)
