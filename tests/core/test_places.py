"""The edge that a host name stands for, in the spellings of the newest browser SDK and of 2.2.0."""

from __future__ import annotations

import pytest

from midcall.core.places import LONG_NAME_OF, REGION_OF, edge_asked, region_shown
from midcall.signalling.limits import Place


@pytest.mark.parametrize("edge", REGION_OF)
def test_each_edge_is_recognised_by_its_host_and_by_the_host_of_its_region(edge: str) -> None:
    assert edge_asked(f"voice-js.{edge}.twilio.com") == edge
    assert edge_asked(f"chunderw-vpc-gll-{REGION_OF[edge]}.twilio.com:8443") == edge


@pytest.mark.parametrize(
    "host",
    [
        "voice-js.roaming.twilio.com",
        "chunderw-vpc-gll.twilio.com",
        "voice-js.mars.twilio.com",
        "voice-js.dublin.twilio.com.example.org",
        "xvoice-js.dublin.twilio.com",
        "localhost:8443",
        "[::1]:8443",
        "",
    ],
)
def test_other_hosts_ask_for_no_edge(host: str) -> None:
    assert edge_asked(host) is None


def test_a_client_sees_the_edge_it_asked_for_with_its_region_and_keeps_its_home() -> None:
    server = Place(edge="ashburn", region="US_EAST_VIRGINIA", home="us1", gateway="g")
    assert server.asked_by("voice-js.Sao-Paulo.twilio.com") == Place(
        edge="sao-paulo", region="SOUTH_AMERICA_SAO_PAULO", home="us1", gateway="g"
    )
    assert server.asked_by("voice-js.roaming.twilio.com") == server


def test_interconnect_edges_have_a_region_without_a_long_name() -> None:
    assert region_shown("london-ix") == "ie1-ix"
    assert {region_shown(edge) for edge in REGION_OF if not edge.endswith("-ix")} == set(LONG_NAME_OF.values())
