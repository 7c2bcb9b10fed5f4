"""Where a platform listens."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from e2e_data.problems import Problems

PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port."""

    scheme: str
    host: str
    port: int

    @classmethod
    def parse(cls, url: str) -> Origin:
        """Read "http://host:port". Raises Problems for anything that is not such an address."""
        origin, path = locate(url)
        if "@" in url:
            # Not with the value: what stands before it may be a password.
            raise Problems(["--host: leave name and password out; credentials belong in the plan"])
        if origin is None:
            raise Problems([f"--host {url}: give an address such as http://127.0.0.1:8080"])
        if path.strip("/"):
            netloc = urlsplit(url).netloc
            raise Problems(
                [
                    f"--host {url}: give the address alone, {origin.scheme}://{netloc}; paths "
                    "are the platform adapter's"
                ]
            )
        return origin

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


def locate(url: str) -> tuple[Origin | None, str]:
    """Part a URL into its origin, None where it has none, and all that follows."""
    try:
        parts = urlsplit(url)
        port = PORTS[parts.scheme] if parts.port is None else parts.port
    except (ValueError, KeyError):
        return None, ""
    if not port or not parts.hostname or "@" in parts.netloc:
        return None, ""
    after = parts._replace(scheme="", netloc="").geturl()
    return Origin(parts.scheme, parts.hostname, port), after
