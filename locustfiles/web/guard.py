"""Which requests to the web UI are refused: those that another site's page sends in a user's name.

Browsers say where a request comes from (Origin, Sec-Fetch-Site); what is no browser says nothing, and
needs no fence, since nobody else's login is in it. Pure: headers come in, a reason comes out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

READING = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing, in Locust's web UI as well."""
HEADERS = {
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}
"""Added to every answer: no other page shows ours inside of it, to have its buttons pressed."""


def is_loopback(host: str) -> bool:
    """Tell whether a name or address is this machine's own, and nobody else's."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def refusal(
    method: str, headers: Mapping[str, str], listens_on: str, names: Iterable[str] = ()
) -> str:
    """Return why a request is refused; empty where it is not.

    `names` are those that the web UI is known by beside the address that it `listens_on`.
    """
    host = headers.get("Host", "")
    name = urlsplit(f"//{host}").hostname or ""
    known = {listens_on, *names}
    # A name of somebody else's that leads here would make their page ours (DNS rebinding).
    if is_loopback(listens_on) and not is_loopback(name) and name not in known:
        return f"this web UI is not known as {name!r}: see --web-host-display-name"
    if method == "GET" and headers.get("Sec-Fetch-Mode") == "navigate":
        return ""
    origin = headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc != host:
        return f"it comes from another site: {origin!r}"
    site = headers.get("Sec-Fetch-Site", "none")
    if site not in ("none", "same-origin"):
        return f"it comes from another site ({site})"
    return ""
