"""Tracing, as Locust's --otel asks for it: what is to be recorded, by OpenTelemetry's own variables."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from dataclasses import dataclass

from e2e_data.platform import Platform
from e2e_data.problems import Problems
from e2e_data.trace_context import traced
from locustfiles.options import OTEL

ENABLED = "LOCUST_ENABLE_OPENTELEMETRY"
"""The environment variable of Locust's --otel."""
PROTOCOL = "OTEL_EXPORTER_OTLP_PROTOCOL"
PROTOCOL_OF_TRACES = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"
EXPORTER = "OTEL_TRACES_EXPORTER"
SAMPLER, SHARE = "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG"
OVER_HTTP = "http/protobuf"
_PARENT = "parentbased_"
"""An attempt is the first of its trace, so that what a sampler does with others' does not matter."""


@dataclass(frozen=True, slots=True)
class Tracing:
    """That spans are recorded, and of how many attempts."""

    share: float = 1.0
    """From 0 to 1; the rest is marked as not recorded, for the platform's own spans as well."""

    def of(self, platform: Platform) -> Platform:
        """Return the adapter whose commands carry the context of their traces."""
        return traced(platform, self.share)


def tracing_of(
    options: argparse.Namespace | None, variables: Mapping[str, str] = os.environ
) -> Tracing | None:
    """Return what was asked for; None for nothing. Raises Problems, for a package that is missing too."""
    exporter = variables.get(EXPORTER, "otlp")
    disabled = variables.get("OTEL_SDK_DISABLED", "").lower() == "true"
    if not getattr(options, OTEL, False) or exporter == "none" or disabled:
        return None
    try:
        import opentelemetry.exporter.otlp.proto.http.trace_exporter  # noqa: F401
    except ImportError as error:
        raise Problems(
            [f"--otel: {error.name} is not installed: pip install --editable '.[otel]'"]
        ) from error
    problems = []
    if exporter != "otlp":
        problems.append(f"{EXPORTER} = {exporter}: spans go by otlp, or nowhere with none")
    protocol = variables.get(PROTOCOL_OF_TRACES, variables.get(PROTOCOL, OVER_HTTP))
    if protocol != OVER_HTTP:
        problems.append(f"{PROTOCOL} = {protocol}: spans go over {OVER_HTTP}; leave it out")
    share = _share(variables, problems)
    if problems:
        raise Problems(problems)
    return Tracing(share)


def _share(variables: Mapping[str, str], problems: list[str]) -> float:
    sampler = variables.get(SAMPLER, "always_on").removeprefix(_PARENT)
    if sampler in ("always_on", "always_off"):
        return float(sampler == "always_on")
    text = variables.get(SHARE, "1")
    if sampler != "traceidratio":
        problems.append(
            f"{SAMPLER} = {sampler}: give always_on, always_off, or traceidratio and a share as {SHARE}"
        )
        return 0
    try:
        share = float(text)
    except ValueError:
        share = -1
    if not 0 <= share <= 1:
        problems.append(f"{SHARE} = {text}: give a share from 0 to 1")
    return share
