"""What a call's webhooks leave behind: the alert names the request that is to blame, and the request can be shown."""

from __future__ import annotations

from midcall.core.alerts import ANY_ALERT
from midcall.ports import Outcome, PageRequest
from midcall.switch.calls import CallUpdate
from midcall.switch.webhooks import Webhooks
from support.switchboard import ACCOUNT, Switchboard


async def test_an_alert_about_twiml_leads_to_the_request_and_the_answer(board: Switchboard) -> None:
    alice = await board.place("<Response>\n<Dial", Note="a secret=hush")
    await board.settle()
    (alert,) = (await board.store.alerts(ACCOUNT, ANY_ALERT, PageRequest())).rows
    assert (alert.code, alert.request_method, alert.request_url) == (12100, "POST", board.VOICE)
    assert alert.webhook is not None
    exchange = await Webhooks(store=board.store, trace=board.trace).one(ACCOUNT, alice, alert.webhook)
    assert exchange is not None
    sent = dict(exchange.parameters)
    assert (sent["CallSid"], sent["From"], sent["CallStatus"]) == (alice, "client:alice", "ringing")
    assert sent["Note"] == "a secret=[redacted]"
    assert (exchange.status, exchange.body, exchange.attempts) == (200, "<Response>\n<Dial", 1)


async def test_a_fallback_is_another_webhook_and_gets_the_blame_itself(board: Switchboard) -> None:
    url = "http://app.test/elsewhere"
    board.sender.pages[url] = Outcome(status=503, url=url, headers={"content-type": "text/plain"}, body=b"later")
    alice = await board.place(f"<Response><Redirect method='GET'>{url}</Redirect></Response>")
    await board.settle()
    (alert,) = (await board.store.alerts(ACCOUNT, ANY_ALERT, PageRequest())).rows
    assert (alert.code, alert.request_method, alert.request_url) == (11200, "GET", url)
    first, second = await Webhooks(store=board.store, trace=board.trace).of_call(ACCOUNT, alice)
    assert (first.status, second.status, second.body) == (200, 503, "later")
    assert second.name == alert.webhook != first.name


async def test_twiml_that_came_by_rest_has_no_request_to_blame(board: Switchboard) -> None:
    alice = await board.place("<Response><Echo/></Response>")
    await board.calls.update(ACCOUNT, alice, CallUpdate(twiml="<Response><Nonsense/><Echo/></Response>"))
    await board.settle()
    (alert,) = (await board.store.alerts(ACCOUNT, ANY_ALERT, PageRequest())).rows
    assert (alert.code, alert.request_method, alert.request_url, alert.webhook) == (12200, None, None, None)


async def test_a_webhook_that_never_was_is_not_told(board: Switchboard) -> None:
    alice = await board.place("<Response><Echo/></Response>")
    assert await Webhooks(store=board.store, trace=board.trace).one(ACCOUNT, alice, "twiml/9") is None
