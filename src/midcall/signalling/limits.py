"""Plain values that bound what one client can cost, and what the server tells about its place."""

from __future__ import annotations

from dataclasses import dataclass, replace

from midcall.core import places
from midcall.wire.signal import MAX_FRAME_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class SignallingLimits:
    """Bounds of the signalling edge.

    Attributes:
        frame_bytes: a longer frame ends its socket.
        frames_per_second: a faster client is read more slowly; nothing is lost.
        queued_bytes: frames waiting for one slow reader; more ends its socket.
        unreceipted_messages: messages to the client on one leg that wait for their receipt.
        unreceipted_frames: all tracked frames of one leg that wait for their receipt.
        messages_in_flight: messages from one socket that wait for the store; more stop its reading.
        heartbeat_s: a heartbeat at least so often (the browser SDK gives up after 15 s of silence).
        missed_heartbeats: so many heartbeats in a row without an echo end the socket.
        listen_timeout_s: how long a socket may take to show a good token, or to leave after a bad one.
        unauthenticated: sockets in that state, all together.
        connections_per_account: authenticated sockets.
        legs_per_connection: legs that one socket carries when it places another one.
        devices_per_identity: registered devices.
        resume_window_s: how long a leg outlives its socket at least.
    """

    frame_bytes: int = MAX_FRAME_BYTES
    frames_per_second: int = 2_000
    queued_bytes: int = 1024 * 1024
    unreceipted_messages: int = 64
    unreceipted_frames: int = 4_096
    messages_in_flight: int = 64
    heartbeat_s: float = 8.0
    missed_heartbeats: int = 2
    listen_timeout_s: float = 15.0
    unauthenticated: int = 1_000
    connections_per_account: int = 20_000
    legs_per_connection: int = 20
    devices_per_identity: int = 10
    resume_window_s: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the server says it is, in `connected`. The browser SDK wants all four; `edge` must be a concrete one."""

    edge: str = "ashburn"
    region: str = "US_EAST_VIRGINIA"
    home: str = "us1"
    gateway: str = "midcall"

    def asked_by(self, host: str) -> Place:
        """The place as a client sees it that came by this host name: at the edge it asked for, if it named one."""
        edge = places.edge_asked(host)
        return self if edge is None else replace(self, edge=edge, region=places.region_shown(edge))
