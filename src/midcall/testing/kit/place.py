"""Where a switchboard's server runs, as the switchboard sees it: a thread's loop in real time, the test's own loop in
virtual time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, Protocol

from midcall.folder import Credentials
from midcall.redirect.environment import Variables
from midcall.settings import Settings, SettingsError, load
from midcall.testing.kit.apps import Application
from midcall.testing.kit.control import Control
from midcall.testing.kit.failures import SwitchboardUnusable

DECIDED: Final = {"mode": "dev", "port": 0, "http_port": 0, "data_dir": ":memory:"}
"""Settings that are the same for every switchboard."""


def settings_of(wished: Mapping[str, object], decided: Mapping[str, object]) -> Settings:
    """The settings of a switchboard's server.

    Args:
        wished: by the test.
        decided: those that are not the test's to choose.

    Raises:
        SwitchboardUnusable: one of them cannot be used.
    """
    for name in wished.keys() & decided.keys():
        raise SwitchboardUnusable(f"the setting {name} of a switchboard is {decided[name]!r} and cannot be chosen")
    try:
        return load({**wished, **decided})
    except SettingsError as error:
        raise SwitchboardUnusable(f"the switchboard's server cannot start: {error}") from None


class Place(Protocol):
    """One running server.

    Attributes:
        control: carries requests to it, from the loop of the test.
        http_url, https_url: without a slash behind.
        signal_url: the address of the signalling socket.
        ca_file: PEM file of the authority to trust; None where nobody looks at certificates.
        variables: the environment in which libraries find it; None unsets.
    """

    time: Literal["real", "virtual"]
    control: Control
    http_url: str
    https_url: str
    signal_url: str
    ca_file: str | None
    credentials: Credentials
    variables: Variables

    async def serve(self, app: Application) -> str:
        """Put an ASGI application where the server reaches it, in the loop of the test.

        Returns:
            Its URL without a slash behind.
        """
