"""The two ports, before anything answers on them."""

from __future__ import annotations

import pytest

from midcall.app.listening import bind

EVERYWHERE = "0.0.0.0"  # noqa: S104  # what production listens on
LOOPBACK = "127.0.0.1"


@pytest.mark.parametrize(("host", "address"), [(LOOPBACK, LOOPBACK), (EVERYWHERE, LOOPBACK), ("localhost", None)])
def test_programs_of_this_machine_are_told_an_address_that_they_can_reach(host: str, address: str | None) -> None:
    sockets = bind(host, 0, 0)
    try:
        assert sockets.address == (address or sockets.tls.getsockname()[0])
    finally:
        sockets.close()
