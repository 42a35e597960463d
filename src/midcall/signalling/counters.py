"""What has happened at the signalling edge since the start; plain numbers for `/metrics`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Counters:
    """Each is a total."""

    connections: int = 0
    frames_in: int = 0
    frames_out: int = 0
    malformed: int = 0
    oversized: int = 0
    slow_readers: int = 0
    dead_peers: int = 0
    receipts: int = 0
    resent: int = 0
    resumes: int = 0
    refused_resumes: int = 0
    takeovers: int = 0
