"""The little that signalling must know about session descriptions (RFC 8866, RFC 8839, RFC 8122)."""

from __future__ import annotations

from typing import Final

NO_MEDIA_SDP: Final = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=midcall-no-media\r\nt=0 0\r\n"
"""The session description of a `midcall.sdk` client that declares it has no media; answered in kind."""
