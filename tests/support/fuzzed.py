"""A whole server on a loopback port for tests that are not asynchronous, with one of everything in it.

Nothing leaves it: requests to customers' servers are answered here.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from midcall.app import assembly
from midcall.app.process import Running, serving
from midcall.core.sids import AccountSid, CallSid
from midcall.ports import Outcome, Request, Transition
from midcall.settings import load
from support.furniture import PREFIXES, furnish
from support.rest import NOW, a_call, an_account

DIGITS = "5" * 32


class Answering:
    """A Sender whose peers take everything."""

    async def send(self, request: Request) -> Outcome:
        headers = {"content-type": "text/xml"}
        return Outcome(status=200, headers=headers, body=b"<Response><Pause/></Response>", url=request.url)

    async def close(self) -> None:
        return


@dataclass(frozen=True)
class Fuzzed:
    """Where the server is, who may ask, and what is in it.

    Attributes:
        known: the sid of something that exists, by prefix.
    """

    base_url: str
    account_sid: str
    auth_token: str
    known: Mapping[str, str]


@contextmanager
def fuzzed_server(patch: pytest.MonkeyPatch) -> Iterator[Fuzzed]:
    """Serve from a thread of its own until the test is over."""
    patch.setattr(assembly, "_sender", lambda settings: Answering())
    ready: list[Fuzzed] = []
    up, over = threading.Event(), threading.Event()

    async def run() -> None:
        flags = {"port": "0", "http_port": "0", "media_engine": "none", "data_dir": ":memory:"}
        async with serving(load(flags)) as server:
            ready.append(await _furnished(server))
            up.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=asyncio.run, args=(run(),), name="server")
    thread.start()
    try:
        assert up.wait(30), "the server did not start"
        yield ready[0]
    finally:
        over.set()
        thread.join(30)
    assert not thread.is_alive()


async def _furnished(server: Running) -> Fuzzed:
    account = AccountSid(server.credentials.account_sid)
    known = {prefix: f"{prefix}{DIGITS}" for prefix in PREFIXES}
    leg = CallSid(known["CA"])
    call = a_call(leg, account_sid=account)
    store = server.app.store
    await store.put_account(an_account(AccountSid(f"AC{DIGITS}"), owner_sid=account))
    await store.save(Transition(owner=leg, account_sid=account, state=None, at=NOW, call=call))
    await furnish(store, account, known)
    known["AC"] = account
    return Fuzzed(server.info.http_url, account, server.credentials.auth_token, known)
