"""Trace context (W3C) of an attempt, which its correlation id is: 16 bytes of a trace, 8 of a span.

So a platform that is told no `traceparent`, since a message has no room for it, has it nonetheless; and
whoever finds a trace has found the correlation id. Of the trace 4 bytes are the run's tag, which is
never zero; of the span 4 are a check sum, by which a share of all attempts is picked, everywhere the same.
"""

from __future__ import annotations

from dataclasses import replace

from e2e_data.ids import CHECK_BYTES, CORRELATION_BYTES
from e2e_data.layers import layered
from e2e_data.over_kafka import KafkaRecord
from e2e_data.platform import HttpRequest, Platform, Sending

TRACE_BYTES = 16
HEADER = "traceparent"
_TRACE, _CHECK = 2 * TRACE_BYTES, 2 * (CORRELATION_BYTES - CHECK_BYTES)


def is_picked(correlation_id: str, share: float) -> bool:
    """Tell whether an attempt is of the `share` (0 to 1) of all whose spans are recorded."""
    return int(correlation_id[_CHECK:], 16) < share * (1 << 8 * CHECK_BYTES)


def traceparent(correlation_id: str, share: float) -> str:
    """Return the header's value for an attempt: version, trace, span, and whether it is recorded."""
    flags = "01" if is_picked(correlation_id, share) else "00"
    return f"00-{correlation_id[:_TRACE]}-{correlation_id[_TRACE:]}-{flags}"


def trace_and_span(correlation_id: str) -> tuple[int, int]:
    """Return the ids of an attempt's trace, and of the tester's span in it."""
    return int(correlation_id[:_TRACE], 16), int(correlation_id[_TRACE:], 16)


class _Traced(Platform):
    """What an adapter overrides whose commands carry their trace's context."""

    traced_share = 1.0
    beneath: Platform

    def http_command(self, sending: Sending) -> HttpRequest:
        """Return the adapter's request, with one header more."""
        request = super().http_command(sending)
        own = (HEADER, traceparent(sending.correlation_id, self.traced_share))
        return replace(request, headers=(*request.headers, own))

    def kafka_record(
        self, sending: Sending, *, message_id: str, timestamp: str, reply_to: str
    ) -> KafkaRecord:
        """Return the adapter's record, with one header more."""
        record = super().kafka_record(
            sending, message_id=message_id, timestamp=timestamp, reply_to=reply_to
        )
        own = traceparent(sending.correlation_id, self.traced_share).encode()
        return record._replace(headers=[*record.headers, (HEADER, own)])


def beneath(platform: Platform) -> tuple[Platform, float | None]:
    """Return what a traced adapter does it as, and its share; itself, and None, for any other."""
    # Not one that has another layer above that: it would be left out.
    if isinstance(platform, _Traced) and type(platform).__bases__[0] is _Traced:
        return platform.beneath, platform.traced_share
    return platform, None


def traced(platform: Platform, share: float) -> Platform:
    """Return an adapter that does as `platform`, and tells which trace each command belongs to.

    A message of IBM MQ stays as it is: its only header is the correlation id, and that says it.
    """
    return layered(_Traced, platform, traced_share=share)
