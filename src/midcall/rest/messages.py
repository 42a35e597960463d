"""User-defined messages to an SDK client: POST in, one row in the leg's log, 201 out."""

from __future__ import annotations

from typing import Final

from midcall.core import errors
from midcall.core.errors import Refused
from midcall.rest.endpoint import ACCOUNT, AnyEndpoint, Api, Asked, Endpoint, warn
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
            identity=asked.form.identity,
        )
    except Refused as refused:
        shown = refused
        # The state of the call is judged first; only then does it matter that there was nothing to read.
        if refused.rule is errors.MESSAGE_NOT_JSON and asked.unreadable is not None:
            shown = asked.unreadable
        # Who sent what cannot be a message may not look at the answer.
        if (code := shown.rule.rest[1]) in ALERTED:
            await warn(api, asked.account_sid, asked.call_sid, code, shown.detail)
        raise shown from None
    return message_resource(entry)


ENDPOINTS: Final[tuple[AnyEndpoint, ...]] = (
    Endpoint(
        method="POST",
        path=f"{ACCOUNT}/Calls/{{CallSid}}/UserDefinedMessages",
        name="CreateUserDefinedMessage",
        summary="Send a message to the SDK client on this leg, or with Identity to a client on any leg of the same "
        "conversation; 201 once it is stored, with the sid of the leg.",
        handler=create,
        form=NewMessageForm,
        answer=MessageResource,
        status=201,
        judges_body=True,
        refusals=(
            errors.NOT_AN_SDK_LEG,
            errors.CALL_NOT_ACTIVE,
            errors.IDENTITY_NOT_ON_CALL,
            errors.IDENTITY_AMBIGUOUS,
            errors.MESSAGE_WRONG_TYPE,
            errors.MESSAGE_TOO_LARGE,
            errors.RATE_EXCEEDED,
            errors.CLIENT_AWAY,
            errors.IDEMPOTENCY_CONFLICT,
        ),
    ),
)
