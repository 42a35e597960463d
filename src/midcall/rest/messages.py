"""User-defined messages to an SDK client: POST in, one row in the leg's log, 201 out."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from midcall.core import errors
from midcall.core.alerts import Alert, Level
from midcall.core.errors import Refused
from midcall.core.sids import ENTROPY_BYTES, AlertSid, mint
from midcall.rest.endpoint import ACCOUNT, AnyEndpoint, Api, Asked, Endpoint
from midcall.wire.requests import NewMessageForm
from midcall.wire.resources import MessageResource, message_resource

ALERTED: Final = frozenset(
    rule.rest[1] for rule in (errors.MESSAGE_WRONG_TYPE, errors.MESSAGE_NOT_JSON, errors.MESSAGE_TOO_LARGE)
)


async def create(api: Api, asked: Asked[NewMessageForm]) -> MessageResource:
    try:
        entry = await api.messages.accept_from_server(
            asked.account_sid,
            asked.call_sid,
            content=asked.form.content,
            idempotency_key=asked.form.idempotency_key,
        )
    except Refused as refused:
        shown = refused
        # The state of the call is judged first; only then does it matter that there was nothing to read.
        if refused.rule is errors.MESSAGE_NOT_JSON and asked.unreadable is not None:
            shown = asked.unreadable
        await _warn(api, asked, shown)
        raise shown from None
    return message_resource(entry)


async def _warn(api: Api, asked: Asked[NewMessageForm], refused: Refused) -> None:
    """Leave a warning on the call for a message that cannot be one; who sent it may not look at the answer."""
    code = refused.rule.rest[1]
    if code not in ALERTED:
        return
    alert = Alert(
        sid=AlertSid(mint("NO", api.entropy(ENTROPY_BYTES))),
        account_sid=asked.account_sid,
        call_sid=asked.call_sid,
        code=code,
        level=Level.WARNING,
        reason=refused.detail,
        at=api.clock.now(),
    )
    with suppress(Refused):  # the store may be full; the answer is what counts
        await api.store.add_alert(alert)


ENDPOINTS: Final[tuple[AnyEndpoint, ...]] = (
    Endpoint(
        method="POST",
        path=f"{ACCOUNT}/Calls/{{CallSid}}/UserDefinedMessages",
        name="CreateUserDefinedMessage",
        summary="Send a message to the SDK client on this leg; 201 once it is stored.",
        handler=create,
        form=NewMessageForm,
        answer=MessageResource,
        status=201,
        judges_body=True,
        refusals=(
            errors.NOT_AN_SDK_LEG,
            errors.CALL_NOT_ACTIVE,
            errors.MESSAGE_WRONG_TYPE,
            errors.MESSAGE_TOO_LARGE,
            errors.RATE_EXCEEDED,
            errors.CLIENT_AWAY,
            errors.IDEMPOTENCY_CONFLICT,
        ),
    ),
)
