"""Parts for tests of the HTTP client: a patient connection, and servers that say what is given."""

from __future__ import annotations

import gevent
from gevent import socket

from e2e_data.platform import HttpRequest
from locustfiles.channels.http import HttpConnection

POST = HttpRequest("POST", "/api/payments", (("Idempotency-Key", "k-1"),), b'{"a":1}')
PATIENT_S = 60
"""Far more than any test takes: whoever waits so long has failed."""
SHORT_S = 0.2

CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Two: a\r\n\r\n"
    b"3\r\nabc\r\n4;ext=1\r\ndefg\r\n0\r\n\r\n"
)
INTERIM = b"HTTP/1.1 100 Continue\r\nX-Interim: 1\r\n\r\n"


def connect(peer, timeout_s=PATIENT_S) -> HttpConnection:
    return HttpConnection(peer.origin, timeout_s=timeout_s)


def says(*pieces: bytes, end: bool = False):
    """Reply with `pieces`, each in a segment of its own; then hang up, if it is the end."""

    def reply(connection, _request):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            connection.sendall(piece)
            gevent.sleep(0)
        if end:
            connection.close()

    return reply


def closed_in_time(peer) -> bool:
    """Tell whether the client hung up; the server learns of it on its next turn."""
    with gevent.Timeout(PATIENT_S, False):
        while not peer.closed:
            gevent.sleep(0)
        return True
    return False
