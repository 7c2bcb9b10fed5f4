"""TLS: where no handshake comes about nothing was sent, and certificates are checked."""

from __future__ import annotations

import ssl
from contextlib import suppress

import gevent
import gevent.ssl
import pytest
from gevent import socket

from locustfiles.channels import tls
from locustfiles.channels.faults import NotSentError
from locustfiles.channels.http import HttpConnection
from locustfiles.channels.origin import Origin
from tests.http_parts import PATIENT_S, POST, SHORT_S


def assert_sockets_are_gevents() -> None:
    """Fail here, because a socket of the standard library would wait for ever."""
    assert isinstance(tls.tls_context(), gevent.ssl.SSLContext)


def test_a_failed_handshake_means_that_nothing_was_sent():
    """Where the other side speaks no TLS, no request has left, and the connection is closed."""
    assert_sockets_are_gevents()

    def no_tls(listener):
        connection, _ = listener.accept()
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        with suppress(ConnectionResetError):
            while connection.recv(65536):
                pass

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        origin = Origin("https", "127.0.0.1", listener.getsockname()[1])
        server = gevent.spawn(no_tls, listener)
        with pytest.raises(NotSentError):
            HttpConnection(origin, timeout_s=PATIENT_S).request(POST)
        server.get(timeout=PATIENT_S)


def test_a_handshake_that_never_comes_is_given_up():
    """TLS, too, is bounded by the whole time, whether or not Locust patched the library."""
    assert_sockets_are_gevents()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        origin = Origin("https", "127.0.0.1", listener.getsockname()[1])
        with pytest.raises(NotSentError, match=r"no connection in time: 0\.2 s"):
            HttpConnection(origin, timeout_s=SHORT_S).request(POST)


def test_certificates_are_checked():
    """Without a context of the caller's, a platform has to show that it is the host it is called."""
    context = tls.tls_context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
