"""TLS with the authorities that the system trusts, such as a company's own."""

from __future__ import annotations

import socket
import ssl

import truststore


class SystemTrust(truststore.SSLContext):
    """Trusts them for one host.

    urllib3 1.x leaves out the name of a host that is an IP address, and a certificate cannot be checked without one.
    """

    host = ""

    @classmethod
    def of(cls, host: str) -> SystemTrust:
        """The context for a host, a name or an IP address."""
        context = cls(ssl.PROTOCOL_TLS_CLIENT)
        context.host = host
        return context

    def wrap_socket(
        self,
        sock: socket.socket,
        server_side: bool = False,
        do_handshake_on_connect: bool = True,
        suppress_ragged_eofs: bool = True,
        server_hostname: str | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLSocket:
        """As the standard library's, with the host where no name is given."""
        return super().wrap_socket(
            sock,
            server_side,
            do_handshake_on_connect,
            suppress_ragged_eofs,
            server_hostname or self.host,
            session,
        )
