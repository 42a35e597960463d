"""TLS that is pretended: in a virtual world `https://` and `wss://` look secure to both ends, and nothing is encrypted.

Certificates are neither made nor looked at; who wants to test those tests against a real server.
"""

from __future__ import annotations

import socket
import ssl
from typing import Any, Final

PRETENDED: Final = "pretended TLS"
"""Stands for the context of a port that looks secure."""
CIPHER: Final = ("PRETENDED", "TLSv1.3", 256)


class PretendedSession:
    """What libraries ask of an `ssl.SSLObject` or `ssl.SSLSocket` beside reading and writing."""

    server_side = False
    session = None
    session_reused = False

    def __init__(self, context: object, server_hostname: str | None = None) -> None:
        self.context = context
        self.server_hostname = server_hostname

    def do_handshake(self) -> None:
        return

    def unwrap(self) -> None:
        return

    def cipher(self) -> tuple[str, str, int]:
        return CIPHER

    def version(self) -> str:
        return "TLSv1.3"

    def compression(self) -> None:
        return

    def selected_alpn_protocol(self) -> None:
        return

    def selected_npn_protocol(self) -> None:
        return

    def get_channel_binding(self, cb_type: str = "tls-unique") -> None:
        return

    def getpeercert(self, binary_form: bool = False) -> Any:
        """Nothing: nobody has shown a certificate."""
        return b"" if binary_form else {}


class PretendedObject(PretendedSession):
    """Stands for what `SSLContext.wrap_bio` returns: bytes go through as they are."""

    def __init__(self, context: object, incoming: Any, outgoing: Any, server_hostname: str | None) -> None:
        super().__init__(context, server_hostname)
        self._incoming = incoming
        self._outgoing = outgoing

    def read(self, len: int = 1024, buffer: Any = None) -> Any:
        data = self._incoming.read(len)
        if not data and not self._incoming.eof:
            raise ssl.SSLWantReadError(ssl.SSL_ERROR_WANT_READ, "nothing to read yet")
        if buffer is None:
            return data
        buffer[: data.__len__()] = data
        return data.__len__()

    def write(self, data: Any) -> int:
        return int(self._outgoing.write(data))

    def pending(self) -> int:
        return int(self._incoming.pending)


class PretendedSocket(PretendedSession, socket.socket):
    """Stands for what `SSLContext.wrap_socket` returns: the same connection without TLS."""

    def __init__(self, context: object, plain: socket.socket, server_hostname: str | None) -> None:
        timeout = plain.gettimeout()
        socket.socket.__init__(self, plain.family, plain.type, plain.proto, fileno=plain.detach())
        self.settimeout(timeout)
        PretendedSession.__init__(self, context, server_hostname)

    def read(self, len: int = 1024, buffer: Any = None) -> Any:
        return self.recv(len) if buffer is None else self.recv_into(buffer, len)

    def write(self, data: Any) -> int:
        return self.send(data)

    def pending(self) -> int:
        return 0
