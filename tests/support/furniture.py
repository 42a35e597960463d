"""One of everything that an account can have, for tests that go through all endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from midcall.core.accounts import ApiKey, Application
from midcall.core.alerts import Alert, Level
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
from midcall.ports import Store
from support.rest import NOW

PREFIXES = ("CA", "AP", "SK", "ZY", "KX", "RP", "NO", "PN", "FS")
"""Of everything that has a sid and is in a store."""


async def furnish(store: Store, account: AccountSid, sids: Mapping[str, str]) -> None:
    """Give an account one of everything with these sids, by prefix; the call is there already."""
    call = CallSid(sids["CA"])
    named: dict[str, Any] = {
        "account_sid": account,
        "friendly_name": "furniture",
        "created_at": NOW,
        "updated_at": NOW,
    }
    await store.put_key(ApiKey(sid=KeySid(sids["SK"]), secret="s" * 32, is_main=False, **named))
    await store.put_application(Application(sid=ApplicationSid(sids["AP"]), **named))
    await store.put_phone_number(PhoneNumber(sid=PhoneNumberSid(sids["PN"]), number="+15005550111", **named))
    of_call: dict[str, Any] = {"account_sid": account, "leg_sid": call}
    subscription = Subscription(
        sid=SubscriptionSid(sids["ZY"]), callback="https://app.example/", method="POST", created_at=NOW, **of_call
    )
    await store.add_subscription(subscription, Limits())
    draft = Draft(
        sid=MessageSid(sids["KX"]),
        log=Log.FROM_CLIENT,
        content=b"1",
        content_type="application/json",
        at=NOW,
        **of_call,
    )
    await store.append_message(draft, Limits())
    replay = Replay(
        sid=ReplaySid(sids["RP"]),
        origin=subscription.sid,
        url=subscription.callback,
        method="POST",
        numbers=(range(1, 2),),
        created_at=NOW,
        **of_call,
    )
    await store.add_replays([replay])
    await store.put_feedback(
        Feedback(account_sid=account, call_sid=call, score=4, issues=("echo",), created_at=NOW, updated_at=NOW)
    )
    await store.put_feedback_summary(
        FeedbackSummary(
            sid=SummarySid(sids["FS"]),
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
            sid=AlertSid(sids["NO"]),
            account_sid=account,
            call_sid=call,
            code=32700,
            level=Level.WARNING,
            reason="furniture",
            at=NOW,
        )
    )
