"""Every store: feedback of calls, its tallies, and summaries of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from midcall.core import errors
from midcall.core.errors import Refused
from midcall.core.feedback import Feedback, FeedbackSummary, Figures, IssueFigure, Tally
from midcall.core.sids import AccountSid, CallSid, SummarySid
from midcall.ports import Store
from support.records import ACCOUNT, LEG, NOW, account_sid, add_call, call, call_sid, end_call


def feedback(sid: CallSid = LEG, score: int = 4, issues: tuple[str, ...] = ("echo",), **changes: float) -> Feedback:
    made = Feedback(
        account_sid=ACCOUNT, call_sid=sid, score=score, issues=issues, created_at=NOW + 1, updated_at=NOW + 1
    )
    return replace(made, **changes)  # type: ignore[arg-type]


SUMMARY = FeedbackSummary(
    sid=SummarySid("FS" + "7" * 32),
    account_sid=ACCOUNT,
    start_date="2020-12-01",
    end_date="2020-12-02",
    include_subaccounts=True,
    figures=Figures(
        calls=3,
        feedbacks=2,
        average=4.5,
        median=4.5,
        standard_deviation=0.5,
        issues=(IssueFigure(issue="echo", count=1, percent_of_calls=33.3),),
    ),
    created_at=NOW,
)


async def test_feedback_is_read_back_by_its_account_only(store: Store) -> None:
    await add_call(store)
    assert await store.feedback(ACCOUNT, LEG) is None
    assert await store.put_feedback(feedback()) == feedback()
    assert await store.feedback(ACCOUNT, LEG) == feedback()
    assert await store.feedback(account_sid(2), LEG) is None


async def test_later_feedback_replaces_the_first_and_keeps_its_birth(store: Store) -> None:
    await add_call(store)
    await store.put_feedback(feedback())
    later = feedback(score=1, issues=(), created_at=NOW + 9, updated_at=NOW + 9)
    expected = replace(later, created_at=NOW + 1)
    assert await store.put_feedback(later) == expected
    assert await store.feedback(ACCOUNT, LEG) == expected


async def test_there_is_no_feedback_without_its_call(store: Store) -> None:
    await add_call(store)
    for stranger in (feedback(call_sid(2)), replace(feedback(), account_sid=account_sid(2))):
        with pytest.raises(Refused) as caught:
            await store.put_feedback(stranger)
        assert caught.value.rule is errors.NOT_FOUND
        assert await store.feedback(stranger.account_sid, stranger.call_sid) is None


async def test_feedback_goes_with_its_call(store: Store) -> None:
    await add_call(store)
    await store.put_feedback(feedback())
    await end_call(store)
    await store.delete_call(ACCOUNT, LEG)
    assert await store.feedback(ACCOUNT, LEG) is None
    await add_call(store)
    assert await store.feedback(ACCOUNT, LEG) is None


async def test_a_tally_counts_the_accounts_calls_of_a_time_and_equal_feedback_together(store: Store) -> None:
    for number, created_at in ((1, NOW), (2, NOW + 10), (3, NOW + 10), (4, NOW + 20)):
        await add_call(store, replace(call(number), created_at=created_at))
    await store.put_feedback(feedback(call_sid(2)))
    await store.put_feedback(feedback(call_sid(3)))
    await store.put_feedback(feedback(call_sid(4), issues=()))
    tally = await store.feedback_tally(ACCOUNT, NOW, NOW + 20)
    assert (tally.calls, dict(tally.given)) == (3, {(4, ("echo",)): 2})
    everything = await store.feedback_tally(ACCOUNT, 0, NOW + 21)
    assert (everything.calls, dict(everything.given)) == (4, {(4, ("echo",)): 2, (4, ()): 1})
    nothing = await store.feedback_tally(account_sid(2), 0, NOW + 21)
    assert Tally(nothing.calls, dict(nothing.given)) == Tally(0, {})


async def test_a_summary_is_read_back_and_deleted_once_by_its_account_only(store: Store) -> None:
    await store.put_feedback_summary(SUMMARY)
    found = await store.feedback_summary(ACCOUNT, SUMMARY.sid)
    assert found is not None
    assert replace(found, figures=SUMMARY.figures) == SUMMARY
    assert list(found.figures.issues) == list(SUMMARY.figures.issues)
    stranger: AccountSid = account_sid(2)
    assert await store.feedback_summary(stranger, SUMMARY.sid) is None
    assert not await store.delete_feedback_summary(stranger, SUMMARY.sid)
    assert await store.delete_feedback_summary(ACCOUNT, SUMMARY.sid)
    assert not await store.delete_feedback_summary(ACCOUNT, SUMMARY.sid)
