"""Vegeta: targets for the phases of a test, in its json format and as text to read."""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial

import orjson

from e2e_data import bulk
from e2e_data.commands import Channel, Kind
from e2e_data.exporters.formats import FILES, Format, Lines
from e2e_data.exporters.portions import Portion
from e2e_data.platform import PATHS, HttpRequest, Platform, http_headers
from e2e_data.wire import text

PHASES = {kind: f"{number:02d}-{name}" for number, (kind, name) in enumerate(FILES.items(), 1)}
_PLACE = "%s"


class Vegeta(Format):
    """One `.json` and one `.txt` file for each phase, and a script that runs them in order."""

    channel = Channel.HTTP
    passes = ([[kind] for kind in Kind],)
    scripts = ("run-vegeta.sh",)

    def __init__(
        self, platform: Platform, host: str, regions: Mapping[str, str] | None = None
    ) -> None:
        """Send to `host`, an address such as "http://127.0.0.1:8080".

        The commands of accounts in one of `regions` go to the address that it has there.
        """
        self._platform = platform
        self._host = host
        self._regions = regions or {}

    def headings(self) -> dict[str, str]:
        """Return the names of the files."""
        return {f"{phase}.{ending}": "" for phase in PHASES.values() for ending in ("json", "txt")}

    def lines(self, portion: Portion) -> Iterator[Lines]:
        """Write each command as it would be sent."""
        phase = PHASES[Kind(int(portion.batch.kinds[0]))]
        hosts = self._hosts(portion)
        if bulk.keeps(self._platform, "http_command"):
            as_json, as_text = self._in_bulk(portion, hosts)
        else:
            requests = list(bulk.one_by_one(self._platform.http_command, portion.batch))
            at = list(zip(requests, hosts, strict=True))
            as_json = [_json(one, host, _base64(one.body)) for one, host in at]
            as_text = [_text(one, host, one.body.decode()) for one, host in at]
        yield f"{phase}.json", as_json
        yield f"{phase}.txt", as_text

    def _hosts(self, portion: Portion) -> Sequence[str]:
        """Return where each command goes."""
        if not self._regions:
            return [self._host] * len(portion)
        shard, indices = portion.batch.shard, portion.batch.indices
        regions = shard.regions[shard.account_number[indices]].tolist()
        return [self._regions.get(region, self._host) for region in regions]

    def _in_bulk(self, portion: Portion, hosts: Sequence[str]) -> tuple[list[str], list[str]]:
        batch = portion.batch
        bodies = bulk.texts(self._platform, batch).to_pylist()
        kind = Kind(int(batch.kinds[0]))
        # A request with places in it is written like any other, and is a template then.
        request = HttpRequest("POST", PATHS[kind], http_headers(_PLACE, _PLACE))
        ids = (batch.command_ids, batch.correlation_ids)
        encoded = [_base64(body.encode()) for body in bodies]
        return (
            _filled(partial(_json, request), hosts, zip(*ids, encoded, strict=True)),
            _filled(partial(_text, request), hosts, zip(*ids, bodies, strict=True)),
        )


def _filled(
    write: Callable[[str, str], str], hosts: Sequence[str], rows: Iterable[tuple[str, ...]]
) -> list[str]:
    """Put each row into the places of what is written for its host."""
    fill = {host: write(host.replace("%", "%%"), _PLACE).__mod__ for host in set(hosts)}
    if len(fill) == 1:
        return list(map(fill[hosts[0]], rows))
    return [fill[host](row) for host, row in zip(hosts, rows, strict=True)]


def _json(request: HttpRequest, host: str, body: str) -> str:
    """Write a request in Vegeta's json format; its body is in base64 already."""
    headers: dict[str, list[str]] = {}
    for name, value in request.headers:
        headers.setdefault(name, []).append(value)
    return (
        f'{{"method":{text(request.method)},"url":{text(host + request.path)},'
        f'"header":{orjson.dumps(headers).decode()},"body":"{body}"}}'
    )


def _text(request: HttpRequest, host: str, body: str) -> str:
    """Write a request to be read: its lines, a blank one, the body, and another blank one."""
    headers = [f"{name}: {value}" for name, value in request.headers]
    return "\n".join([f"{request.method} {host}{request.path}", *headers, "", body, ""])


def _base64(body: bytes) -> str:
    return b2a_base64(body, newline=False).decode("ascii")
