"""The reasons for which clients differ, in one place: the page lists those that a row uses."""

from __future__ import annotations

from typing import Final

from conformance.rows import Reason

NO_MEDIA: Final = Reason(
    "not",
    "no media",
    'A device with `media="none"` has declared to the server that it neither sends nor receives sound: there are no '
    "streams, no codec, and nothing to measure.",
)

PRECISE: Final = Reason(
    "differs",
    "precise by default",
    "`enableImprovedSignalingErrorPrecision` is on in `midcall.sdk` unless it is turned off, and off in the browser "
    "SDK unless it is turned on: it decides between the server's own code and a general one.",
)
