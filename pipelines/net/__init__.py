"""The way out: guarded HTTP, downloads that arrive whole, HTTP errors in our words, and logs without secrets."""

from pipelines.domain.orders.public_addresses import is_inside
from pipelines.logs import RedactingFilter, configure_logging, log_handler, quiet_http_logs, redact
from pipelines.net.disk import disk_full_is_busy, sync_folder, whole_file
from pipelines.net.download import EXCERPT_BYTES, Downloaded, download
from pipelines.net.guard import GuardedTransport, guarded_client
from pipelines.net.http_errors import error_for_status, retry_after, translate_http
from pipelines.net.paid import DATA_URL, NEVER_LEFT, from_base64, object_in, paid, pieces
from pipelines.net.total import total_time
from pipelines.settings import Origin

__all__ = [
    "DATA_URL",
    "EXCERPT_BYTES",
    "NEVER_LEFT",
    "Downloaded",
    "GuardedTransport",
    "Origin",
    "RedactingFilter",
    "configure_logging",
    "disk_full_is_busy",
    "download",
    "error_for_status",
    "from_base64",
    "guarded_client",
    "is_inside",
    "log_handler",
    "object_in",
    "paid",
    "pieces",
    "quiet_http_logs",
    "redact",
    "retry_after",
    "sync_folder",
    "total_time",
    "translate_http",
    "whole_file",
]
