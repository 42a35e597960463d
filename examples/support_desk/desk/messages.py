"""Messages during a call: hearing what apps say, and telling them something."""

from __future__ import annotations

import json
from typing import Any, Final

from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

# The call is over: nobody is there to be told. The key was used: it was said before.
_HARMLESS: Final = {21220, 20409}


class Messages:
    """Both directions. Every request has a key, so that it can be repeated without harm.

    Args:
        client: the official library's, with an asynchronous HTTP client.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    async def subscribe(self, call_sid: str, callback: str) -> None:
        """Hear what the app on this leg says.

        Raises:
            TwilioRestException: it cannot be done now.
        """
        subscriptions = self._client.calls(call_sid).user_defined_message_subscriptions
        try:
            await subscriptions.create_async(callback=callback, idempotency_key=f"listen-{call_sid}")
        except TwilioRestException as error:
            if error.code not in _HARMLESS:
                raise

    async def tell(self, call_sid: str, content: Any, *, key: str) -> None:
        """Say something to the app on this leg.

        Args:
            content: anything that is JSON.
            key: the same when the same thing is said again.

        Raises:
            TwilioRestException: it cannot be done now.
        """
        text = json.dumps(content, ensure_ascii=False)
        try:
            await self._client.calls(call_sid).user_defined_messages.create_async(
                content=text, idempotency_key=f"{key}-{call_sid}"
            )
        except TwilioRestException as error:
            if error.code not in _HARMLESS:
                raise
