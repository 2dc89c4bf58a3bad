"""The bench itself, tiny: its books agree, its figures have their shape. No second is asserted."""

from __future__ import annotations

MESSAGES = 200
FIGURES = {
    "messages",
    "seconds",
    "per_s",
    "accepted_s",
    "latency_p50_ms",
    "latency_p99_ms",
    "cpu_us",
    "cores_used",
    "server_rss_mib",
    "database_bytes",
    "counters",
    "ledgers",
}
