"""Spans for OpenTelemetry, by its own standard settings (`OTEL_*`): only where they are set and its SDK is installed.

Nothing of it is imported otherwise.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pipelines.ports import trace
from pipelines.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.sampling import Sampler
    from opentelemetry.trace import Span as OtelSpan

logger = logging.getLogger(__name__)

TIMEOUT_S = 2.0
"""A collector that hangs keeps a step no longer than this."""
PARENT = "parentbased_"


def start(settings: Settings) -> None:
    """From now on this process and its forks send their spans, if they are to."""
    if settings.otel_exporter_otlp_endpoint is None:
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        logger.warning("OTEL_EXPORTER_OTLP_ENDPOINT is set, but not its packages: pip install -r requirements-otel.txt")
        return
    # Told in full: by itself the SDK reads the environment alone, and what stands in .env counts as well.
    endpoint, headers = f"{settings.otel_exporter_otlp_endpoint.rstrip('/')}/v1/traces", settings.otel_headers
    sampler = _sampler(settings.otel_traces_sampler, settings.otel_traces_sampler_arg)

    def make() -> OtelTracer:
        provider = TracerProvider(sampler, Resource.create({"service.name": settings.otel_service_name}))
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint, headers=headers, timeout=TIMEOUT_S)))
        return OtelTracer(provider)

    trace.install(make)


def _sampler(name: str, part: float) -> Sampler:
    """By OpenTelemetry's names."""
    from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, TraceIdRatioBased

    plain: dict[str, Sampler] = {
        "always_on": ALWAYS_ON,
        "always_off": ALWAYS_OFF,
        "traceidratio": TraceIdRatioBased(part),
    }
    return ParentBased(plain[name.removeprefix(PARENT)]) if name.startswith(PARENT) else plain[name]


class OtelTracer:
    """observability.trace.Tracer."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider, self._tracer = provider, provider.get_tracer("reelgrid")

    @contextmanager
    def span(
        self,
        name: str,
        kind: trace.Kind,
        parent: str | None,
        links: Sequence[str],
        attributes: Mapping[str, trace.Value],
    ) -> Iterator[tuple[trace.Span, str]]:
        """An error is told by its type: its text may hold what nobody outside should read."""
        from opentelemetry.trace import Link, SpanKind, Status, StatusCode, get_current_span

        linked = [Link(get_current_span(_context(link)).get_span_context()) for link in links]
        made = self._tracer.start_span(
            name, _context(parent), SpanKind[kind.upper()], _known(attributes), linked, record_exception=False
        )
        try:
            context = made.get_span_context()
            yield _OtelSpan(made), f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"
        except Exception as error:
            made.set_attribute("error.type", type(error).__name__)
            made.set_status(Status(StatusCode.ERROR))
            raise
        finally:
            made.end()

    def past(self, name: str, parent: str, began: float, ended: float, attributes: Mapping[str, trace.Value]) -> None:
        """A span with both its moments."""
        made = self._tracer.start_span(
            name, _context(parent), attributes=_known(attributes), start_time=int(began * 1e9)
        )
        made.end(int(ended * 1e9))

    def flush(self) -> None:
        """Sent now, or given up after the exporter's time-out."""
        self._provider.force_flush(int(TIMEOUT_S * 1000))


class _OtelSpan:
    def __init__(self, span: OtelSpan) -> None:
        self._span = span

    def tell(self, attributes: Mapping[str, trace.Value]) -> None:
        """More about it."""
        self._span.set_attributes(_known(attributes))


def _known(attributes: Mapping[str, trace.Value]) -> dict[str, str | int | float | bool]:
    return {name: value for name, value in attributes.items() if value is not None}


def _context(traceparent: str | None) -> Context:
    """Of a parent; an empty one begins a trace of its own."""
    from opentelemetry.context import Context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier = {"traceparent": traceparent} if traceparent else {}
    return TraceContextTextMapPropagator().extract(carrier, Context())
