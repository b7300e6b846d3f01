"""What customers bring along: files from outside, into storage."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from pipelines.domain.keys import storage_folder
from pipelines.net.download import download
from pipelines.net.kinds import picture_suffix
from pipelines.ports import MediaStore
from pipelines.settings import Origin

LIMIT = 50 * 1024 * 1024
PICTURES = {".jpg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"}
SUFFIXES = {
    **{content_type: suffix for suffix, content_type in PICTURES.items()},
    "audio/mpeg": ".mp3",
    "audio/mp4": ".m4a",
    "audio/wav": ".wav",
}


@dataclass(frozen=True, slots=True)
class GuardedIntake:
    """ports.Intake: files from outside, through the guard."""

    media: MediaStore
    work: Path
    of_base: frozenset[Origin]
    """Airtable's own servers where they are inside: for its attachments alone, not for what anybody names."""

    def bring(self, url: str, *, of_base: bool = False, account_id: str | None = None) -> str:
        """Download into storage; the key follows from the content. What is a key already stays one."""
        if "://" not in url:
            return url
        dest = self.work / "intake" / hashlib.sha256(url.encode()).hexdigest()[:32]
        dest.parent.mkdir(parents=True, exist_ok=True)
        trusted = self.of_base if of_base else frozenset[Origin]()
        got = download(url, dest, trusted=trusted, max_bytes=LIMIT)
        named = SUFFIXES.get(got.content_type or "", Path(url.split("?", maxsplit=1)[0]).suffix[:6].lower() or ".bin")
        suffix = picture_suffix(got.path) or (".bin" if named in PICTURES else named)
        key = f"{storage_folder('inputs', account_id)}/{got.sha256[:2]}/{got.sha256}{suffix}"
        self.media.put_file(got.path, key, PICTURES.get(suffix, got.content_type or "application/octet-stream"))
        got.path.unlink(missing_ok=True)
        return key
