"""Where the product runs and what it is connected to: its processes, its data, the base in Airtable, its logs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, SecretStr

from pipelines import environment
from pipelines.environment import LogLevel, LogStyle, Origin, one_of, whole
from pipelines.settings import values
from pipelines.settings.connection_urls import postgres_address
from pipelines.settings.values import BootstrapKey, StorageTarget
from pipelines.settings.variables import (
    BASE,
    DATA,
    HERE,
    LOGS,
    Address,
    IssuerName,
    checked,
    secret_of,
    secrets,
    variable,
)

AIRTABLE_URL = "https://api.airtable.com"
AIRTABLE_CONTENT_URL = "https://content.airtable.com"

_SAMPLERS = ("always_on", "always_off", "traceidratio")
SAMPLERS = (*_SAMPLERS, *(f"parentbased_{name}" for name in _SAMPLERS))
"""OpenTelemetry's own names."""


class ProcessSettings(BaseModel):
    """The processes, who may call them, and how much each account may ask of them."""

    public_url: Address = variable(
        HERE,
        "Where browsers, Airtable and providers reach this deployment.",
        "http://127.0.0.1:8000",
        shown="https://$RAILWAY_PUBLIC_DOMAIN, else http://127.0.0.1:$PORT",
    )
    secret_key: SecretStr | None = variable(
        HERE,
        "Signs links and sessions: at least 16 characters, required when PUBLIC_URL is not loopback.",
        shown="generated into var/ locally",
    )
    secret_key_fallbacks: Annotated[SecretStr, secret_of(values.former_secret_keys)] | None = variable(
        HERE,
        "The SECRET_KEYs before this one, newest first, separated by commas: links, sessions and sealed secrets of "
        "theirs are still good.",
    )
    api_keys: Annotated[str, checked(values.bootstrap_keys)] = variable(
        HERE,
        "Bootstrap keys, name:<sha256 hex of the key> or bare hashes, separated by commas; required when "
        "PUBLIC_URL is not loopback.",
        "",
        repr=False,
    )
    port: Annotated[int, BeforeValidator(environment.PORT.parse)] = variable(
        HERE, "The port the web process binds.", environment.PORT.default
    )
    listen_on: Annotated[environment.Bind, BeforeValidator(environment.LISTEN_ON.parse)] = variable(
        HERE,
        "Where the web process can be reached from: auto binds this machine's loopback only where PUBLIC_URL is on it, "
        "else everything; all binds everything, as a container must, whose loopback nobody else can reach.",
        environment.LISTEN_ON.default,
    )
    workers: Annotated[int, BeforeValidator(whole(1, 256))] = variable(
        HERE, "How many worker processes run side by side.", 2
    )
    threads: Annotated[int, BeforeValidator(environment.THREADS.parse)] = variable(
        HERE,
        "How many requests the web process answers side by side. Half of them may wait for something, three quarters "
        "wait or download; a thread that does nothing costs next to nothing.",
        environment.THREADS.default,
    )
    account_reads_per_minute: Annotated[int, BeforeValidator(whole(1, 1_000_000))] = variable(
        HERE, "How often an account may look in a minute, counted by each web process for itself.", 600
    )
    account_webhooks_per_minute: Annotated[int, BeforeValidator(whole(1, 1_000_000))] = variable(
        HERE, "How many webhooks an account's programs may send here in a minute, counted likewise.", 600
    )
    account_runs_in_flight: Annotated[int, BeforeValidator(whole(1, 10_000))] = variable(
        HERE, "How many runs of one account are made at a time; the others wait for their turn.", 5
    )
    account_backlog: Annotated[int, BeforeValidator(whole(1, 1_000_000))] = variable(
        HERE, "How many runs of one account may wait; beyond that an order over HTTP is answered 429.", 500
    )
    webhook_allow_from: Annotated[str, checked(values.senders)] = variable(
        HERE,
        "Networks that webhooks may come from, beside their signatures: sender:network, separated by commas, such as "
        "kie:203.0.113.0/24. A sender that is not named may call from anywhere.",
        "",
    )
    trusted_proxies: Annotated[int, BeforeValidator(whole(0, 10))] = variable(
        HERE,
        "How many proxies stand before the web process: the address of a client is believed from the last of so many "
        "entries of X-Forwarded-For.",
        0,
        shown="1, or 0 where PUBLIC_URL is http:// on this machine",
    )
    webhook_origins: Annotated[str, checked(values.origins)] = variable(
        HERE,
        "Servers of your own that webhooks may be sent to although they are inside or without https, separated by "
        "commas, such as http://127.0.0.1:9000. Everywhere else an address must be public and https.",
        "",
    )
    var_dir: Path = variable(
        HERE,
        "The directory for everything kept on this machine: database, media, generated key, scratch.",
        Path("var"),
        shown="var",
    )
    jwt_issuer: IssuerName | None = variable(
        HERE,
        "An identity provider whose tokens act for accounts, beside keys: its name as its tokens write it.",
    )
    jwt_audience: str | None = variable(HERE, "Whom its tokens must be meant for.", shown="the value of PUBLIC_URL")
    jwt_account_claim: Annotated[str, Field(min_length=1)] = variable(
        HERE, "The claim of a token that names the account.", "sub"
    )
    jwt_signup: Annotated[Literal["no", "yes"], BeforeValidator(one_of("no", "yes"))] = variable(
        HERE, "With yes, whoever comes with a valid token of an unknown account gets an account.", "no"
    )

    @property
    def var(self) -> Path:
        """The directory for everything kept on this machine."""
        return self.var_dir

    @property
    def loopback(self) -> bool:
        """Whether PUBLIC_URL can be reached from this machine only."""
        return Origin.of(self.public_url).loopback

    @property
    def bootstrap_keys(self) -> tuple[BootstrapKey, ...]:
        """The keys of API_KEYS."""
        return values.bootstrap_keys(self.api_keys)

    @property
    def senders(self) -> tuple[values.Sender, ...]:
        """The entries of WEBHOOK_ALLOW_FROM."""
        return values.senders(self.webhook_allow_from)

    @property
    def former_secret_keys(self) -> tuple[str, ...]:
        """What SECRET_KEY was before, newest first."""
        return secrets(self.secret_key_fallbacks)


class DataSettings(BaseModel):
    """Database, queue and storage."""

    database_url: Annotated[str, AfterValidator(values.database_url)] = variable(
        DATA,
        "The database: sqlite:///a/path.db or postgresql://user:password@host/database.",
        "sqlite:///var/reelgrid.db",
        repr=False,
    )
    database_direct_url: Annotated[str, AfterValidator(postgres_address)] | None = variable(
        DATA,
        "The same database without the pooler in between, for migrations; only where DATABASE_URL leads to a pooler.",
        shown="the value of DATABASE_URL",
        repr=False,
    )
    redis_url: Annotated[str, AfterValidator(values.redis_url)] | None = variable(
        DATA,
        "The Redis that wakes workers up: redis:// or rediss://.",
        shown="an embedded Redis under var/",
        repr=False,
    )
    storage_url: Annotated[str, checked(values.storage_target)] = variable(
        DATA,
        "Where media is kept: file:<directory> or s3://<bucket>/<prefix>.",
        "file:var/media",
        shown="file:var/media, or the Railway bucket that is linked",
    )
    aws_access_key_id: SecretStr | None = variable(DATA, "Access key of the S3 storage.")
    aws_secret_access_key: SecretStr | None = variable(DATA, "Secret key of the S3 storage.")
    aws_region: str = variable(
        DATA, "Region of the S3 storage.", "us-east-1", shown="auto with AWS_ENDPOINT_URL, else us-east-1"
    )
    aws_endpoint_url: Address | None = variable(
        DATA, "Address of an S3 server that is not Amazon's.", shown="Amazon's own"
    )
    aws_s3_url_style: Annotated[str, BeforeValidator(one_of("auto", "path", "virtual"))] = variable(
        DATA, "Whether the bucket is part of the path or of the host (virtual); auto knows Amazon and Railway.", "auto"
    )

    @property
    def storage(self) -> StorageTarget:
        """Where media is kept, taken apart."""
        return values.storage_target(self.storage_url)


class AirtableSettings(BaseModel):
    """The base."""

    airtable_api_key: SecretStr | None = variable(BASE, "Airtable personal access token.")
    airtable_base_id: str | None = variable(BASE, "The base used when a trigger names none.")
    airtable_endpoint_url: Address = variable(BASE, "Address of Airtable's API.", AIRTABLE_URL)
    airtable_content_url: Address = variable(
        BASE,
        "Address attachments are uploaded to.",
        AIRTABLE_CONTENT_URL,
        shown=f"{AIRTABLE_CONTENT_URL}, or AIRTABLE_ENDPOINT_URL when that is set",
    )
    keep_old_films: Annotated[Literal["yes", "no"], BeforeValidator(one_of("yes", "no"))] = variable(
        BASE, "Whether films of earlier runs stay in Final Video, behind the new one: yes or no.", "no"
    )
    field_map: Path | None = variable(BASE, "A file that maps our field names to the base's names or field ids.")


class LogSettings(BaseModel):
    """Logs and traces."""

    log_level: Annotated[LogLevel, BeforeValidator(environment.LOG_LEVEL.parse)] = variable(
        LOGS,
        "The least severe message that is logged: DEBUG, INFO, WARNING or ERROR.",
        environment.LOG_LEVEL.default,
    )
    log_format: Annotated[LogStyle, BeforeValidator(environment.LOG_FORMAT.parse)] = variable(
        LOGS,
        "Log lines for people (text, on standard error) or machines (json, on standard output); auto is text at a "
        "terminal, else json.",
        environment.LOG_FORMAT.default,
    )
    otel_exporter_otlp_endpoint: Address | None = variable(
        LOGS, "Where traces are sent (OTLP over HTTP), such as http://collector:4318; needs requirements-otel.txt."
    )
    otel_exporter_otlp_headers: Annotated[SecretStr, secret_of(values.otlp_headers)] | None = variable(
        LOGS, "Headers for it, each as name=value with its special characters escaped, separated by commas."
    )
    otel_service_name: str = variable(LOGS, "What this deployment is called in traces.", "reelgrid")
    otel_traces_sampler: Annotated[str, BeforeValidator(one_of(*SAMPLERS))] = variable(
        LOGS, f"Which traces are sent: {', '.join(SAMPLERS)}.", "parentbased_always_on"
    )
    otel_traces_sampler_arg: Annotated[float, Field(ge=0, le=1)] = variable(
        LOGS, "The part of them where the sampler goes by a ratio, such as 0.1.", 1.0
    )

    @property
    def otel_headers(self) -> dict[str, str]:
        """OTEL_EXPORTER_OTLP_HEADERS, taken apart."""
        return (
            values.otlp_headers(self.otel_exporter_otlp_headers.get_secret_value())
            if self.otel_exporter_otlp_headers
            else {}
        )
