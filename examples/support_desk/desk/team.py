"""Who is on duty, who knows what, and who is kept for which customer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from desk.settings import Agent


class Team:
    """All agents, in the order in which they are rung."""

    def __init__(self, agents: Iterable[Agent]) -> None:
        self._agents = {agent.name: replace(agent) for agent in agents}

    def __getitem__(self, name: str) -> Agent:
        return self._agents[name]

    def on_duty(self) -> list[Agent]:
        """Those who can be rung now or later."""
        return [agent for agent in self._agents.values() if agent.on_duty]

    def free(self, topic: str) -> list[Agent]:
        """Those who can be rung now; who knows the topic comes first."""
        free = [agent for agent in self.on_duty() if agent.customer is None]
        return sorted(free, key=lambda agent: topic not in agent.topics)

    def release(self, call_sid: str, *, but: str | None = None) -> None:
        """Let agents be rung for others again.

        Args:
            call_sid: of the customer who does not need them any more.
            but: name of the one who answered and is kept.
        """
        for agent in self._agents.values():
            if agent.customer == call_sid and agent.name != but:
                agent.customer = None
