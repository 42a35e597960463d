"""Subscriptions: which callbacks hear what a leg's SDK client sends."""

from __future__ import annotations

from typing import Final

from midcall.core import errors
from midcall.core.sids import SubscriptionSid
from midcall.rest.endpoint import ACCOUNT, AnyEndpoint, Api, Asked, Endpoint
from midcall.wire.parameters import Nothing
from midcall.wire.requests import NewSubscriptionForm
from midcall.wire.resources import SubscriptionResource, subscription_resource


async def create(api: Api, asked: Asked[NewSubscriptionForm]) -> SubscriptionResource:
    subscription = await api.messages.subscribe(
        asked.account_sid,
        asked.call_sid,
        callback=asked.form.callback,
        method=asked.form.method,
        idempotency_key=asked.form.idempotency_key,
        from_start=asked.form.replay_from == "start",
        identity=asked.form.identity,
    )
    return subscription_resource(subscription)


async def delete(api: Api, asked: Asked[Nothing]) -> None:
    await api.messages.unsubscribe(asked.account_sid, asked.call_sid, SubscriptionSid(asked.sid))


_SUBSCRIPTIONS: Final = f"{ACCOUNT}/Calls/{{CallSid}}/UserDefinedMessageSubscriptions"

ENDPOINTS: Final[tuple[AnyEndpoint, ...]] = (
    Endpoint(
        method="POST",
        path=_SUBSCRIPTIONS,
        name="CreateUserDefinedMessageSubscription",
        summary="Have every message that this leg's client sends from now on delivered to a callback; with Identity, "
        "the messages of a client on any leg of the same conversation.",
        handler=create,
        form=NewSubscriptionForm,
        answer=SubscriptionResource,
        status=201,
        refusals=(
            errors.NOT_AN_SDK_LEG,
            errors.CALL_NOT_ACTIVE,
            errors.IDENTITY_NOT_ON_CALL,
            errors.IDENTITY_AMBIGUOUS,
            errors.TOO_MANY_SUBSCRIPTIONS,
            errors.IDEMPOTENCY_CONFLICT,
        ),
    ),
    Endpoint(
        method="DELETE",
        path=f"{_SUBSCRIPTIONS}/{{Sid}}",
        name="DeleteUserDefinedMessageSubscription",
        summary="End a subscription; what it has not delivered is listed as undelivered.",
        handler=delete,
        form=Nothing,
        answer=None,
        status=204,
        sid_prefix="ZY",
    ),
)
