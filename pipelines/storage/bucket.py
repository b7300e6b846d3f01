"""Media in an S3-compatible bucket: Amazon, Railway, R2, Supabase, MinIO."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import quote, urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError
from obstore.store import S3Store

from pipelines.domain.errors import Expired, StorageDenied, StorageUnavailable
from pipelines.net import whole_file
from pipelines.ports import Stored
from pipelines.settings import Settings
from pipelines.storage.keys import CHUNK, already_there, checked_key, hashed
from pipelines.storage.objects import ObjectMedia, translated

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig, S3Config

_PART = 8 * CHUNK
_PARALLEL_PARTS = 4
_MAX_TTL_S = 7 * 24 * 3600
"""The longest a V4 signature is good for at Amazon; others allow more."""
_CLIENT: ClientConfig = {"connect_timeout": "5s", "read_timeout": "60s", "timeout": "600s"}
_RETRY: RetryConfig = {"max_retries": 3, "retry_timeout": timedelta(seconds=60)}


class BucketStore(ObjectMedia):
    """Keys are objects below an optional prefix."""

    _objects: S3Store

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The store of `s3://<bucket>/<prefix>`."""
        target = settings.storage
        config: S3Config = {"region": settings.aws_region, **_credentials(settings), **_addressing(settings)}
        plain = (settings.aws_endpoint_url or "").startswith("http://")
        options: ClientConfig = {**_CLIENT, "allow_http": plain}
        return cls(
            S3Store(
                target.bucket,
                prefix=target.path or None,
                config=config,
                client_options=options,
                retry_config=_RETRY,
            )
        )

    def put_file(self, path: Path, key: str, content_type: str, filename: str | None = None) -> Stored:
        """Upload the file, in parts when it is large; see `MediaStore`."""
        checked_key(key)
        sha256, size = hashed(path, key), path.stat().st_size
        found = self.stat(key)
        if found:
            return already_there(found, sha256, size)
        attributes = {"Content-Type": content_type, "sha256": sha256, **_disposition(filename)}
        try:
            self._upload(path, key, attributes, whole=size <= _PART)
        except AlreadyExistsError:
            return already_there(self.stat(key) or Stored(key=key, sha256="", size=size), sha256, size)
        return Stored(key=key, sha256=sha256, size=size)

    def take_file(self, path: Path, key: str, content_type: str, filename: str | None = None) -> Stored:
        """As `put_file`: all of it has to go there."""
        return self.put_file(path, key, content_type, filename)

    def fetch(self, key: str, dest: Path) -> None:
        """Stream the object to `dest`, which appears when it is whole."""
        with translated(key):
            found = obstore.get(self._objects, checked_key(key))
        with whole_file(dest) as file, translated(key):
            for chunk in found.stream(min_chunk_size=CHUNK):
                file.write(chunk)
            if file.tell() != found.meta["size"]:
                raise StorageUnavailable(f"storage sent {file.tell()} of {found.meta['size']} bytes")

    def local_path(self, key: str) -> None:
        """An object is no file of this machine."""
        checked_key(key)

    def presigned(self, key: str, ttl_s: float) -> str:
        """A V4-signed address for GET."""
        with translated(key):
            lifetime = timedelta(seconds=min(ttl_s, _MAX_TTL_S))
            return str(obstore.sign(self._objects, "GET", checked_key(key), lifetime))

    def _upload(self, path: Path, key: str, attributes: dict[str, str], *, whole: bool) -> None:
        """Small files in one create-only request. Uploads in parts know no such condition, and need none: the key
        names the content.
        """
        try:
            with translated(key):
                if whole:
                    obstore.put(self._objects, key, path, attributes=attributes, mode="create")
                else:
                    obstore.put(
                        self._objects,
                        key,
                        path,
                        attributes=attributes,
                        chunk_size=_PART,
                        max_concurrency=_PARALLEL_PARTS,
                    )
        except Expired as error:
            raise StorageDenied("storage has no such bucket") from error


def _credentials(settings: Settings) -> S3Config:
    config: S3Config = {}
    if settings.aws_access_key_id and settings.aws_secret_access_key:
        config["access_key_id"] = settings.aws_access_key_id.get_secret_value()
        config["secret_access_key"] = settings.aws_secret_access_key.get_secret_value()
    return config


def _addressing(settings: Settings) -> S3Config:
    """Whether the bucket is part of the host or of the path, and the endpoint that says so."""
    bucket, endpoint = settings.storage.bucket or "", settings.aws_endpoint_url
    virtual = _in_host(settings.aws_s3_url_style, bucket, endpoint)
    config: S3Config = {"virtual_hosted_style_request": virtual}
    if endpoint:
        parts = urlsplit(endpoint)
        named = parts.netloc if parts.netloc.startswith(f"{bucket}.") else f"{bucket}.{parts.netloc}"
        config["endpoint"] = parts._replace(netloc=named).geturl() if virtual else endpoint
    return config


def _in_host(style: str, bucket: str, endpoint: str | None) -> bool:
    if style != "auto":
        return style == "virtual"
    if endpoint is None:
        return "." not in bucket  # a dot would not fit Amazon's certificate
    host = urlsplit(endpoint).hostname or ""
    return host.endswith(".railway.app") or host.startswith(f"{bucket}.")


def _disposition(filename: str | None) -> dict[str, str]:
    """The name a browser proposes, in the two spellings of RFC 6266."""
    if not filename:
        return {}
    plain = "".join(letter if letter.isascii() and letter.isprintable() else "_" for letter in filename)
    plain = plain.replace("\\", "_").replace('"', "_")
    return {"Content-Disposition": f"inline; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"}
