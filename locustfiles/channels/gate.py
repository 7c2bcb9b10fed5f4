"""The gate to a platform: what all connections of one process to it share."""

from __future__ import annotations

from collections.abc import Sequence

from locustfiles.channels.credentials import access_to
from locustfiles.channels.deadlines import Deadlines
from locustfiles.channels.http import HttpConnection, Requester
from locustfiles.channels.http_settings import HttpSettings
from locustfiles.channels.origin import Origin
from locustfiles.channels.tls import tls_context
from reports.site import Site


class Gate:
    """One TLS context, one set of credentials, one watch over deadlines."""

    def __init__(
        self,
        origin: Origin,
        settings: HttpSettings,
        timeout_s: float,
        allow: Sequence[str] = (),
    ) -> None:
        """Read certificates and secrets. Raises Problems with everything that is wrong with them.

        Where redirects are followed, they may lead to what `allow` names, besides loopback.
        """
        self.origin = origin
        self._settings = settings
        self._timeout_s = timeout_s
        self._allow = allow
        self._tls = tls_context(settings.trust) if origin.scheme == "https" else None
        self._access = access_to(origin, settings)
        self._deadlines = Deadlines(timeout_s)

    def open(self) -> None:
        """Fetch what must be fetched before anybody is let in. Raises Problems where it fails."""
        self._access.start()

    def close(self) -> None:
        """Keep no credentials fresh any more."""
        self._access.stop()

    def connect(self, timeout_s: float | None = None) -> Requester:
        """Return a new connection, which opens when it is used; `timeout_s` is for it alone."""
        if self._settings.client == "fast":
            # Importing Locust patches the standard library, which `paystorm try` must be spared.
            from locustfiles.channels.fast import FastConnection

            return FastConnection(
                self.origin,
                self._settings,
                timeout_s=timeout_s or self._timeout_s,
                tls=self._tls,
                access=self._access,
                allow=self._allow,
            )
        return HttpConnection(
            self.origin,
            timeout_s=timeout_s or self._timeout_s,
            tls=self._tls,
            access=self._access,
            deadlines=self._deadlines if timeout_s is None else None,
        )

    @property
    def site(self) -> Site:
        """Where the platform's statements are read."""
        return Site(str(self.origin), dict(self._access.headers), self._tls, self._settings.proxy)
