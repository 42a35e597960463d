"""What the desk asks of the voice service: to hear what apps say during a call, to tell them something, to hang up."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

# The call is over: nobody is there to be told. The key was used: it was said before.
_HARMLESS: Final = {21220, 20409}


class Messages:
    """What is said during calls. Every request can be repeated without harm.

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
        with _harmless():
            await subscriptions.create_async(callback=callback, idempotency_key=f"listen-{call_sid}")

    async def tell(self, call_sid: str, content: Any, *, key: str) -> None:
        """Say something to the app on this leg.

        Args:
            content: anything that is JSON.
            key: the same when the same thing is said again.

        Raises:
            TwilioRestException: it cannot be done now.
        """
        text = json.dumps(content, ensure_ascii=False)
        messages = self._client.calls(call_sid).user_defined_messages
        with _harmless():
            await messages.create_async(content=text, idempotency_key=f"{key}-{call_sid}")

    async def hang_up(self, call_sid: str) -> None:
        """End a call, or leave it ended.

        Raises:
            TwilioRestException: it cannot be done now.
        """
        with _harmless():
            await self._client.calls(call_sid).update_async(status="completed")


@contextmanager
def _harmless() -> Iterator[None]:
    try:
        yield
    except TwilioRestException as error:
        if error.code not in _HARMLESS:
            raise
