"""TLS: one context for all connections of a process, which verifies whom it speaks to."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from gevent.ssl import SSLContext

from e2e_data.problems import Problems
from locustfiles.channels.secret import Secret


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom to trust, and how to identify oneself."""

    verify: bool = True
    ca_file: Path | None = None
    """Authorities to trust instead of this machine's."""
    certificate_file: Path | None = None
    """The client's own certificate chain, as PEM."""
    key_file: Path | None = None
    """Its key, where that is not in the same file."""
    key_password: Secret | None = None


def tls_context(trust: Trust | None = None) -> SSLContext:
    """Return a context for connections to share. Raises Problems for files that cannot be used.

    The standard library's own function makes sockets that stop the event loop, and know no timeout
    of ours, wherever Locust has not patched it: in `paystorm try`.
    """
    trust = trust or Trust()
    context = SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["http/1.1"])
    if not trust.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif trust.ca_file is None:
        context.load_default_certs()
    else:
        _load(f"ca_file {trust.ca_file}", lambda: context.load_verify_locations(trust.ca_file))
    if trust.certificate_file is not None:
        password = trust.key_password.read() if trust.key_password else None
        _load(
            f"certificate_file {trust.certificate_file}",
            # Without a password OpenSSL would ask for one on the terminal.
            lambda: context.load_cert_chain(trust.certificate_file, trust.key_file, password or ""),
        )
    return context


def _load(what: str, load: object) -> None:
    try:
        load()  # type: ignore[operator]
    except FileNotFoundError as error:
        raise Problems([f"http: {what}: {error.filename or 'the file'} does not exist"]) from error
    except (OSError, ssl.SSLError) as error:
        reason = error.strerror or str(error)
        raise Problems([f"http: {what}: cannot be used ({reason}): give PEM files"]) from error
