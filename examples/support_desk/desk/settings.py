"""What the desk is told by its environment, and who works there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(slots=True)
class Agent:
    """Somebody who answers customers.

    Attributes:
        name: identity of the client that is rung.
        topics: what this agent knows best.
        customer: sid of the customer's call that this agent is rung for or talks in.
    """

    name: str
    topics: frozenset[str] = frozenset()
    on_duty: bool = True
    customer: str | None = None

    @classmethod
    def of(cls, text: str) -> Agent:
        """Read `name` or `name:topic+topic`."""
        name, _, topics = text.strip().partition(":")
        return cls(name, frozenset(topic for topic in topics.split("+") if topic))


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings.

    Attributes:
        agents: in the order in which they are rung; `DESK_AGENTS="bob:billing+returns, carol, dave:billing"`.
        ring: one agent after the other, or all who are free.
        ring_s: how long an agent is rung before the next one is tried.
        ask_again_s: how often it is looked whether an agent has become free for a customer who waits.
        patience_s: how long a customer is kept waiting while agents talk to others.
        rating_s: how long a customer may take to rate the call.
        url: where callbacks reach the desk when a proxy hides it; what each request says otherwise.
    """

    account_sid: str
    auth_token: str
    api_key: str = ""
    api_secret: str = ""
    application_sid: str = ""
    agents: tuple[Agent, ...] = ()
    ring: Literal["in turn", "together"] = "in turn"
    ring_s: int = 60
    ask_again_s: int = 15
    patience_s: int = 900
    rating_s: int = 30
    url: str = ""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Read `TWILIO_*` and `DESK_*`.

        Raises:
            KeyError: the account's sid or auth token is missing.
        """
        return cls(
            account_sid=environment["TWILIO_ACCOUNT_SID"],
            auth_token=environment["TWILIO_AUTH_TOKEN"],
            api_key=environment.get("TWILIO_API_KEY", ""),
            api_secret=environment.get("TWILIO_API_SECRET", ""),
            application_sid=environment.get("TWILIO_APPLICATION_SID", ""),
            agents=tuple(Agent.of(text) for text in environment.get("DESK_AGENTS", "").split(",") if text.strip()),
            ring="together" if environment.get("DESK_RING") == "together" else "in turn",
            url=environment.get("DESK_URL", "").rstrip("/"),
        )
