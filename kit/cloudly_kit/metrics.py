"""Prometheus metrics of the kit, and the small server that shows them."""

from prometheus_client import Counter, Gauge, Histogram, start_http_server

RPC_SECONDS = Histogram(
    "cloudly_rpc_seconds",
    "Time a call took in its handler.",
    ["method", "code"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
BACKGROUND_FAILURES = Counter(
    "cloudly_background_failures_total",
    "How often a background loop raised and was started again.",
    ["service", "loop"],
)
OPEN_STREAMS = Gauge("cloudly_open_streams", "Server streams being served.", ["method"])


def serve(address: str) -> None:
    """Show the metrics at `host:port` from a thread of prometheus_client's own."""
    host, _, port = address.rpartition(":")
    start_http_server(int(port), addr=host or "0.0.0.0")  # noqa: S104 - a metrics port is opened only when asked for
