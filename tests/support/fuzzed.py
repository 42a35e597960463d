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
from midcall.core.accounts import Account, AccountStatus, ApiKey, Application
from midcall.core.alerts import Alert, Level
from midcall.core.calls import Call, Direction, Status
from midcall.core.feedback import Feedback, FeedbackSummary, figures
from midcall.core.lanes import Replay
from midcall.core.messages import Draft, Limits, Log, Subscription
from midcall.core.numbers import PhoneNumber
from midcall.core.sids import (
    AccountSid,
    AlertSid,
    ApplicationSid,
    CallSid,
    KeySid,
    MessageSid,
    PhoneNumberSid,
    ReplaySid,
    SubscriptionSid,
    SummarySid,
)
from midcall.ports import Outcome, Request, Store, Transition
from midcall.settings import load

DIGITS = "5" * 32
NOW = 1_606_939_321.0


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
    known = {prefix: f"{prefix}{DIGITS}" for prefix in ("CA", "ZY", "KX", "RP", "NO", "PN", "AP", "SK", "FS")}
    known["AC"] = account
    await _furnish(server.app.store, account, known)
    return Fuzzed(server.info.http_url, account, server.credentials.auth_token, known)


async def _furnish(store: Store, account: AccountSid, known: Mapping[str, str]) -> None:
    leg = CallSid(known["CA"])
    named = {"account_sid": account, "friendly_name": "known", "created_at": NOW, "updated_at": NOW}
    await store.put_key(ApiKey(sid=KeySid(known["SK"]), secret="s" * 32, is_main=False, **named))  # type: ignore[arg-type]
    await store.put_application(Application(sid=ApplicationSid(known["AP"]), **named))  # type: ignore[arg-type]
    await store.put_phone_number(PhoneNumber(sid=PhoneNumberSid(known["PN"]), number="+15005550111", **named))  # type: ignore[arg-type]
    await store.put_account(
        Account(
            sid=AccountSid(f"AC{DIGITS}"),
            owner_sid=account,
            friendly_name="sub",
            status=AccountStatus.ACTIVE,
            auth_token="t" * 32,
            created_at=NOW,
            updated_at=NOW,
        )
    )
    await store.save(Transition(owner=leg, account_sid=account, state=None, at=NOW, call=_call(leg, account)))
    subscription = Subscription(
        sid=SubscriptionSid(known["ZY"]),
        account_sid=account,
        leg_sid=leg,
        callback="https://app.example/",
        method="POST",
        created_at=NOW,
    )
    await store.add_subscription(subscription, Limits())
    draft = Draft(
        account_sid=account,
        leg_sid=leg,
        log=Log.FROM_CLIENT,
        sid=MessageSid(known["KX"]),
        content=b"1",
        content_type="application/json",
        at=NOW,
    )
    await store.append_message(draft, Limits())
    replay = Replay(
        sid=ReplaySid(known["RP"]),
        account_sid=account,
        leg_sid=leg,
        origin=subscription.sid,
        url=subscription.callback,
        method="POST",
        numbers=(range(1, 2),),
        created_at=NOW,
    )
    await store.add_replays([replay])
    await store.put_feedback(
        Feedback(account_sid=account, call_sid=leg, score=4, issues=("echo",), created_at=NOW, updated_at=NOW)
    )
    await store.put_feedback_summary(
        FeedbackSummary(
            sid=SummarySid(known["FS"]),
            account_sid=account,
            start_date="2020-12-02",
            end_date="2020-12-02",
            include_subaccounts=False,
            figures=figures([]),
            created_at=NOW,
        )
    )
    await store.add_alert(
        Alert(
            sid=AlertSid(known["NO"]),
            account_sid=account,
            call_sid=leg,
            code=32700,
            level=Level.WARNING,
            reason="known",
            at=NOW,
        )
    )


def _call(sid: CallSid, account: AccountSid) -> Call:
    return Call(
        sid=sid,
        account_sid=account,
        parent_sid=None,
        direction=Direction.INBOUND,
        from_="client:alice",
        to="",
        status=Status.IN_PROGRESS,
        sdk_leg=True,
        created_at=NOW,
        updated_at=NOW,
    )
