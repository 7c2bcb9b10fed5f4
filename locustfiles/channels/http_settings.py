"""The table [http] of a plan: which client, whom to trust, and what every request carries."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from locustfiles.channels.origin import Origin, locate
from locustfiles.channels.secret import FORMS, Secret
from locustfiles.channels.tls import Trust

SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie"})
"""Headers whose values are secrets, which a plan, copied into each run directory, does not hold."""
OWN_HEADERS = frozenset({"host", "content-length", "transfer-encoding", "connection", "expect"})
"""Headers that are the client's own business."""

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


def _reference(value: str) -> str:
    Secret(value)
    return value


def _url(value: str) -> str:
    if locate(value)[0] is None:
        msg = "give a whole address, such as https://id.example/token"
        raise ValueError(msg)
    return value


def _address(value: str) -> str:
    origin, path = locate(value)
    if origin is None or path.strip("/"):
        msg = (
            "give an address such as https://north.bank.example:8443, without path and credentials"
        )
        raise ValueError(msg)
    return str(origin)


Reference = Annotated[str, AfterValidator(_reference)]
"""A secret, named as "env:NAME" or "file:PATH"."""
Url = Annotated[str, AfterValidator(_url)]
Address = Annotated[str, AfterValidator(_address)]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class OAuth2(_Table):
    """Client credentials (RFC 6749, 4.4): a token is fetched, and again before it expires."""

    token_url: Url
    """Where tokens are fetched."""
    client_id: str = Field(min_length=1)
    """Who we are there."""
    client_secret: Reference
    """How we show it."""
    scope: str = ""
    """Asked for with the token, where it is given."""
    audience: str = ""
    """The same."""


class HttpSettings(_Table):
    """How commands go over HTTP."""

    client: Literal["lean", "fast"] = "lean"
    """"lean" is the fast one; "fast" is Locust's FastHttpUser, which knows proxies and redirects."""
    headers: dict[str, str] = {}
    """Sent with every request; a value may be a secret's name."""
    bearer_token: Reference | None = None
    """Sent as the header Authorization; a file is read again every half minute."""
    oauth2: OAuth2 | None = None
    """The same, with a token that is fetched."""
    verify: bool = True
    """Whether the platform must show a certificate that is trusted."""
    ca_file: Path | None = None
    """Certificates that are trusted instead of the system's, in PEM."""
    certificate_file: Path | None = None
    """Our own certificate with its chain, in PEM, where the platform asks for one."""
    key_file: Path | None = None
    """Its private key, where it is in a file of its own."""
    key_password: Reference | None = None
    """The key's password, where it has one."""
    proxy: Url | None = None
    """Send through this proxy, with the client "fast"."""
    redirects_max: int = Field(default=3, ge=0, le=20)
    """Redirects that are followed for one request, by the client "fast"."""
    regions: dict[str, Address] = {}
    """Where a region's commands go, whose completions are asked for and whose book is read there: its
    own address, such as north = "https://north.bank.example". --host is for the regions without."""
    one_book: bool = False
    """Whether --host tells the book of all regions; without it each address tells its own regions'."""

    @model_validator(mode="after")
    def _fitting(self) -> HttpSettings:
        wrong = [fault for name, value in self.headers.items() if (fault := _fault(name, value))]
        named = {name.lower() for name in self.headers}
        ways = [self.bearer_token, self.oauth2, "authorization" in named or None]
        if sum(way is not None for way in ways) > 1:
            wrong.append("give one of bearer_token, oauth2 and the header Authorization")
        if self.client == "lean" and self.proxy is not None:
            wrong.append('proxy: the lean client knows no proxies; set client = "fast"')
        if self.key_file is not None and self.certificate_file is None:
            wrong.append("key_file: give its certificate_file, too")
        if wrong:
            raise ValueError("; ".join(wrong))
        return self

    def origin_of(self, region: str, other: Origin) -> Origin:
        """Return where a region's commands go: to its own address, or else to the `other`."""
        own = locate(self.regions[region])[0] if region in self.regions else None
        return own or other

    @property
    def trust(self) -> Trust:
        """Whom to trust, and how to identify oneself."""
        return Trust(
            verify=self.verify,
            ca_file=self.ca_file,
            certificate_file=self.certificate_file,
            key_file=self.key_file,
            key_password=Secret(self.key_password) if self.key_password else None,
        )


def is_secret(value: str) -> bool:
    """Tell whether a header's value names a secret."""
    return value.startswith(("env:", "file:"))


def is_header_value(value: str) -> bool:
    """Tell whether a text can stand in a header, and cannot end it."""
    return _VALUE.fullmatch(value) is not None


def _fault(name: str, value: str) -> str | None:
    if not _NAME.fullmatch(name) or name.lower() in OWN_HEADERS:
        return f"headers: {name!r} is no header that can be set"
    if name.lower() in SECRET_HEADERS and not is_secret(value):
        return f"headers: {name} is a secret: name it as {FORMS}"
    if not is_header_value(value):
        return f"headers: the value of {name} has characters that no header can have"
    return None
