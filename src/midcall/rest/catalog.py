"""All endpoints, in the order in which routes are tried: the message path comes first."""

from __future__ import annotations

from typing import Final

from midcall.rest import (
    accounts,
    alerts,
    applications,
    call_events,
    calls,
    feedback,
    history,
    iam,
    insights,
    keys,
    messages,
    notifications,
    numbers,
    replays,
    subscriptions,
    tokens,
)
from midcall.rest.endpoint import AnyEndpoint

ENDPOINTS: Final[tuple[AnyEndpoint, ...]] = (
    *messages.ENDPOINTS,
    *subscriptions.ENDPOINTS,
    *feedback.ENDPOINTS,  # before calls: `Calls/FeedbackSummary` is no sid
    *calls.ENDPOINTS,
    *applications.ENDPOINTS,
    *numbers.ENDPOINTS,
    *keys.ENDPOINTS,
    *iam.ENDPOINTS,
    *accounts.ENDPOINTS,
    *tokens.ENDPOINTS,
    *call_events.ENDPOINTS,
    *notifications.ENDPOINTS,
    *alerts.ENDPOINTS,
    *history.ENDPOINTS,
    *insights.ENDPOINTS,
    *replays.ENDPOINTS,
)
