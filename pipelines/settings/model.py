"""Every variable an operator can set: its type, default and one sentence, and what follows from them.

The field `name` is the variable `NAME`. Secrets are `SecretStr`; addresses that may hold a password are kept out
of `repr`. Built by `loading.load_settings`, which resolves the defaults that depend on other variables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from typing_extensions import override

from pipelines.settings import values
from pipelines.settings.connection_urls import postgres_address
from pipelines.settings.networks import TESTNET_FACILITATOR, TOKENS, Token
from pipelines.settings.values import BootstrapKey, Origin, StorageTarget

AIRTABLE_URL = "https://api.airtable.com"
AIRTABLE_CONTENT_URL = "https://content.airtable.com"
OPENAI_URL = "https://api.openai.com/v1"
GEMINI_URL = "https://generativelanguage.googleapis.com"
KIE_URL = "https://api.kie.ai"
OPENROUTER_URL = "https://openrouter.ai/api/v1"
STRIPE_URL = "https://api.stripe.com"
ELEVENLABS_URL = "https://api.elevenlabs.io"
PUBLIC_ADDRESSES = frozenset(
    {
        *(AIRTABLE_URL, AIRTABLE_CONTENT_URL, OPENAI_URL, GEMINI_URL, KIE_URL, OPENROUTER_URL, STRIPE_URL),
        ELEVENLABS_URL,
    }
)
"""The vendors' own servers. They are outside, so they need no exemption from the guard against inside addresses."""


def _checked(parse: Callable[[str], object]) -> AfterValidator:
    """Keep the text as written, once the parser has accepted it."""

    def check(text: str) -> str:
        parse(text)
        return text

    return AfterValidator(check)


def _models(value: Any) -> tuple[str, ...]:
    names = values.listed(value) if isinstance(value, str) else tuple(value)
    return tuple(values.model_name(name) for name in names)


def _secret_of(parse: Callable[[str], object]) -> AfterValidator:
    def check(secret: SecretStr) -> SecretStr:
        parse(secret.get_secret_value())
        return secret

    return AfterValidator(check)


def _usd(value: Any) -> Decimal:
    values.dollars(str(value))
    return Decimal(str(value))


def _days(value: Any) -> int | None:
    return value if value is None else values.keep_days(str(value))


Address = Annotated[str, AfterValidator(values.http_url)]
Usd = Annotated[Decimal, BeforeValidator(_usd)]
Days = Annotated[int | None, BeforeValidator(_days)]
"""None is for ever."""
WebhookSecret = Annotated[SecretStr, _secret_of(values.webhook_secrets)]


def variable(section: str, description: str, default: Any = None, *, shown: str | None = None, **field: Any) -> Any:
    """A variable: `shown` words the default when it is worked out or would say nothing."""
    return Field(default, description=description, json_schema_extra={"section": section, "shown": shown}, **field)


def _issuer(text: str) -> str:
    """As the issuer writes it: its tokens name it letter by letter, a closing slash included."""
    values.http_url(text)
    if not text.startswith("https://") and not Origin.of(text).loopback:
        raise ValueError("must start with https://: whoever could change its keys on the way could be anybody.")
    return text


HERE, DATA, BASE, WRITE, VIDEO, SPEND, SELL, FILMS, LOGS = (
    "This deployment",
    "Database, queue and storage",
    "Airtable",
    "Scene writing",
    "Video providers",
    "Spending and retention",
    "Selling",
    "Films",
    "Logs",
)


_SAMPLERS = ("always_on", "always_off", "traceidratio")
SAMPLERS = (*_SAMPLERS, *(f"parentbased_{name}" for name in _SAMPLERS))
"""OpenTelemetry's own names."""


class OwnSettings(BaseModel):
    """What a provider declares beside its adapter, where the page of everybody's settings does not know it.

    By their endings: `…_api_key` is its key, `…_base_url` its address, `…_webhook_secret` what its callbacks are signed
    with. Get one from `own_settings`.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    @classmethod
    def named(cls, ending: str) -> str | None:
        """The field with this ending, if it has one."""
        return next((name for name in cls.model_fields if name.endswith(ending)), None)

    def value(self, ending: str) -> Any:
        """What the field with this ending says, secrets in plain text; None where it is unset or there is none."""
        name = self.named(ending)
        found = getattr(self, name) if name else None
        return found.get_secret_value() if isinstance(found, SecretStr) else found


class Settings(BaseSettings):
    """The operator's choices, frozen. Get one from `load_settings`."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

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
    secret_key_fallbacks: Annotated[SecretStr, _secret_of(values.former_secret_keys)] | None = variable(
        HERE,
        "The SECRET_KEYs before this one, newest first, separated by commas: links, sessions and sealed secrets of "
        "theirs are still good.",
    )
    api_keys: Annotated[str, _checked(values.bootstrap_keys)] = variable(
        HERE,
        "Bootstrap keys, name:<sha256 hex of the key> or bare hashes, separated by commas; required when "
        "PUBLIC_URL is not loopback.",
        "",
        repr=False,
    )
    port: Annotated[int, BeforeValidator(values.whole(1, 65535))] = variable(
        HERE, "The port the web process binds.", 8000
    )
    workers: Annotated[int, BeforeValidator(values.whole(1, 256))] = variable(
        HERE, "How many worker processes run side by side.", 2
    )
    threads: Annotated[int, BeforeValidator(values.whole(4, 512))] = variable(
        HERE,
        "How many requests the web process answers side by side. Half of them may wait for something, three quarters "
        "wait or download; a thread that does nothing costs next to nothing.",
        32,
    )
    account_reads_per_minute: Annotated[int, BeforeValidator(values.whole(1, 1_000_000))] = variable(
        HERE, "How often an account may look in a minute, counted by each web process for itself.", 600
    )
    account_runs_in_flight: Annotated[int, BeforeValidator(values.whole(1, 10_000))] = variable(
        HERE, "How many runs of one account are made at a time; the others wait for their turn.", 5
    )
    account_backlog: Annotated[int, BeforeValidator(values.whole(1, 1_000_000))] = variable(
        HERE, "How many runs of one account may wait; beyond that an order over HTTP is answered 429.", 500
    )
    webhook_allow_from: Annotated[str, _checked(values.senders)] = variable(
        HERE,
        "Networks that webhooks may come from, beside their signatures: sender:network, separated by commas, such as "
        "kie:203.0.113.0/24. A sender that is not named may call from anywhere.",
        "",
    )
    trusted_proxies: Annotated[int, BeforeValidator(values.whole(0, 10))] = variable(
        HERE,
        "How many proxies stand before the web process: the address of a client is believed from the last of so many "
        "entries of X-Forwarded-For.",
        0,
        shown="1, or 0 where PUBLIC_URL is http:// on this machine",
    )
    webhook_origins: Annotated[str, _checked(values.origins)] = variable(
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
    storage_url: Annotated[str, _checked(values.storage_target)] = variable(
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
    aws_s3_url_style: Annotated[str, BeforeValidator(values.one_of("auto", "path", "virtual"))] = variable(
        DATA, "Whether the bucket is part of the path or of the host (virtual); auto knows Amazon and Railway.", "auto"
    )

    airtable_api_key: SecretStr | None = variable(BASE, "Airtable personal access token.")
    airtable_base_id: str | None = variable(BASE, "The base used when a trigger names none.")
    airtable_endpoint_url: Address = variable(BASE, "Address of Airtable's API.", AIRTABLE_URL)
    airtable_content_url: Address = variable(
        BASE,
        "Address attachments are uploaded to.",
        AIRTABLE_CONTENT_URL,
        shown=f"{AIRTABLE_CONTENT_URL}, or AIRTABLE_ENDPOINT_URL when that is set",
    )
    keep_old_films: Annotated[Literal["yes", "no"], BeforeValidator(values.one_of("yes", "no"))] = variable(
        BASE, "Whether films of earlier runs stay in Final Video, behind the new one: yes or no.", "no"
    )
    field_map: Path | None = variable(BASE, "A file that maps our field names to the base's names or field ids.")

    openai_api_key: SecretStr | None = variable(
        WRITE, "Key for scene writing; without it the deterministic writer is used."
    )
    openai_base_url: Address = variable(WRITE, "Address of OpenAI's API or a compatible server.", OPENAI_URL)
    openai_model: str = variable(WRITE, "The language model that writes scenes.", "gpt-6-luna")

    video_model: Annotated[str, AfterValidator(values.model_name)] = variable(
        VIDEO, "Default model as provider/slug; a record can name another.", "local/animatic"
    )
    max_cuts_per_run: Annotated[int, Field(ge=1, le=100)] = variable(
        VIDEO, "So many films one run makes at most: its hooks times its languages times its formats.", 24
    )
    fallback_models: Annotated[tuple[str, ...], BeforeValidator(_models)] = variable(
        VIDEO,
        "Models tried in order, separated by commas, when the provider and not the prompt is at fault.",
        (),
        shown="",
    )
    catalogue: Path | None = variable(VIDEO, "A file that adds models and prices to the catalogue.")
    sora_api_key: SecretStr | None = variable(
        VIDEO,
        "Key for the server of the /v1/videos protocol; set it whenever that server is not OpenAI's.",
        shown="the value of OPENAI_API_KEY",
    )
    sora_base_url: Address = variable(
        VIDEO, "Address of any server of the /v1/videos protocol.", OPENAI_URL, shown="the value of OPENAI_BASE_URL"
    )
    openai_webhook_secret: WebhookSecret | None = variable(
        VIDEO, "Secret of OpenAI's webhooks, starting with whsec_; two, separated by a comma, while rotating."
    )
    gemini_api_key: SecretStr | None = variable(VIDEO, "Key for Gemini (Omni, and its voices).")
    gemini_base_url: Address = variable(VIDEO, "Address of the Gemini API.", GEMINI_URL)
    gemini_webhook_secret: WebhookSecret | None = variable(
        VIDEO, "Secret of Gemini's webhooks, starting with whsec_; two, separated by a comma, while rotating."
    )
    kie_api_key: SecretStr | None = variable(VIDEO, "Key for kie.ai.")
    kie_base_url: Address = variable(VIDEO, "Address of kie.ai's API.", KIE_URL)
    kie_webhook_hmac_key: SecretStr | None = variable(VIDEO, "The key kie.ai signs its callbacks with.")
    openrouter_api_key: SecretStr | None = variable(VIDEO, "Key for OpenRouter.")
    openrouter_base_url: Address = variable(VIDEO, "Address of OpenRouter's API.", OPENROUTER_URL)
    openrouter_webhook_secret: SecretStr | None = variable(VIDEO, "The secret OpenRouter signs its callbacks with.")
    google_cloud_project: str | None = variable(VIDEO, "Google Cloud project for Veo on Vertex AI.")
    google_cloud_location: str | None = variable(VIDEO, "Google Cloud region for Veo on Vertex AI.")
    google_cloud_base_url: Address | None = variable(
        VIDEO, "Address of Vertex AI for Veo.", shown="Google's own for the region"
    )
    google_application_credentials: Path | None = variable(VIDEO, "Service account file for Veo on Vertex AI.")

    jwt_issuer: Annotated[str, AfterValidator(_issuer)] | None = variable(
        HERE,
        "An identity provider whose tokens act for accounts, beside keys: its name as its tokens write it.",
    )
    jwt_audience: str | None = variable(HERE, "Whom its tokens must be meant for.", shown="the value of PUBLIC_URL")
    jwt_account_claim: Annotated[str, Field(min_length=1)] = variable(
        HERE, "The claim of a token that names the account.", "sub"
    )
    jwt_signup: Annotated[Literal["no", "yes"], BeforeValidator(values.one_of("no", "yes"))] = variable(
        HERE, "With yes, whoever comes with a valid token of an unknown account gets an account.", "no"
    )

    max_cost_per_run_usd: Usd = variable(SPEND, "No run may spend more than this many dollars.", Decimal(20))
    max_cost_per_day_usd: Usd = variable(SPEND, "No day (UTC) may spend more than this many dollars.", Decimal(100))
    approval: Annotated[str, _checked(values.approval)] = variable(
        SPEND, "Which quotes wait for a person: never, always, or above:<dollars>.", "never"
    )
    moderation_base_url: Address | None = variable(
        SPEND,
        "A server of OpenAI's /moderations that is asked about prompts before anything is set aside or bought for "
        "them, such as https://api.openai.com/v1; without one, nobody is asked.",
    )
    moderation_api_key: SecretStr | None = variable(SPEND, "Its key.")
    moderation_words: Path | None = variable(
        SPEND, "A file with words that are not filmed here, one word or phrase a line.", shown="no words"
    )
    keep_clips_days: Days = variable(SPEND, "Days to keep clips, or forever.", 30)
    storage_limit_gb: Annotated[float, Field(gt=0)] | None = variable(
        SPEND,
        "So many gigabytes may be stored: from 80 % on it is warned, at 100 % nothing new is started.",
        shown="no limit",
    )
    storage_usd_per_gb: Usd | None = variable(
        SPEND,
        "What your host charges for a gigabyte of storage a month, e.g. 0.015: then the cost of storage is shown.",
        shown="not shown",
    )
    keep_cuts_days: Days = variable(SPEND, "Days to keep finished cuts, or forever.", None, shown="forever")

    price_list: Path | None = variable(
        SELL, "A file with what accounts are charged; without one, what providers charge.", shown="at cost"
    )
    credit_usd: Annotated[Decimal, BeforeValidator(_usd), Field(gt=0)] = variable(
        SELL, "What a credit is worth in dollars: an order's price is rounded up to whole credits.", Decimal("0.01")
    )
    credits_expire_days: Days = variable(
        SELL, "Days after which credits that were bought can no longer be spent, or forever.", 365
    )

    stripe_payment_link: Address | None = variable(
        SELL, "A Payment Link of Stripe at which accounts buy credits; their name is appended to it."
    )
    stripe_webhook_secret: SecretStr | None = variable(
        SELL, "Secret of the Stripe endpoint that calls /api/webhook/stripe, starting with whsec_."
    )
    stripe_api_key: SecretStr | None = variable(
        SELL,
        "A restricted key of Stripe that may read events: flask recover then finds payments since a backup again.",
    )
    stripe_base_url: Address = variable(SELL, "Where Stripe's events are read.", STRIPE_URL)

    x402_pay_to: Annotated[str | None, AfterValidator(values.wallet)] = variable(
        SELL, "The wallet (0x…) that takes payments for single calls by x402; without one, none are taken."
    )
    x402_network: Annotated[str, AfterValidator(values.one_of(*TOKENS))] = variable(
        SELL,
        "The chain on which USDC is taken: eip155:8453 is Base, eip155:84532 its test network.",
        "eip155:84532",
    )
    x402_asset: Annotated[str | None, AfterValidator(values.wallet)] = variable(
        SELL,
        "The contract of the token that is taken, which signs as USDC does and has 6 digits.",
        shown="USDC of X402_NETWORK",
    )
    x402_facilitator_url: Address | None = variable(
        SELL,
        "The x402 facilitator that moves the money; required on eip155:8453.",
        shown="that of x402.org, where X402_NETWORK is a test network",
    )
    cdp_api_key_id: str | None = variable(
        SELL, "The name of a key of Coinbase's developer platform, where X402_FACILITATOR_URL is its facilitator."
    )
    cdp_api_key_secret: SecretStr | None = variable(SELL, "That key's secret, as the platform showed it.")
    x402_rpc_url: Annotated[str | None, AfterValidator(values.rpc_url)] = variable(
        SELL,
        "A JSON-RPC server of that chain, in which payments are looked up whose answer got lost; without one, flask "
        "payments decide.",
        repr=False,
    )

    serve_films: Annotated[Literal["web", "storage"], BeforeValidator(values.one_of("web", "storage"))] = variable(
        FILMS,
        "Who hands out films behind their permanent links: web, or storage by links of ten minutes, so that the bytes "
        "need not pass the web process (S3 only).",
        "web",
    )
    disclosure: str | None = variable(
        FILMS, "What every film says of itself in its metadata, such as: Made with AI.", max_length=500
    )
    c2pa_certificate: Path | None = variable(
        FILMS,
        "A PEM file with your certificate and those above it: every film is signed with it (C2PA), so that anybody can "
        "tell whether it was changed; needs requirements-c2pa.txt.",
    )
    c2pa_private_key: Path | None = variable(FILMS, "A PEM file with its private key, without a password.")

    speech_base_url: Address | None = variable(
        FILMS, "Address of a voice service that answers POST /audio/speech, such as https://api.openai.com/v1."
    )
    speech_api_key: SecretStr | None = variable(FILMS, "Its key; that of the scene writer is not taken for it.")
    speech_model: str | None = variable(FILMS, "The model that it is asked for.")
    speech_usd_per_million: Annotated[float, Field(ge=0, le=10_000)] | None = variable(
        FILMS,
        "What it charges for a million characters, in dollars; 0 for a server of your own. Without it only models are "
        "used whose price is known here.",
    )
    elevenlabs_api_key: SecretStr | None = variable(FILMS, "Key for the voices of ElevenLabs.")
    elevenlabs_base_url: Address = variable(FILMS, "Address of ElevenLabs' API.", ELEVENLABS_URL)
    speech_voice: str = variable(
        FILMS, "Who speaks where Voiceover is ticked and the row names no Voice: provider/voice.", "local/heart"
    )
    picture_model: str | None = variable(
        FILMS,
        "The image model that makes pictures where a row asks for them, such as gemini/gemini-nano-banana-2.1 (with "
        "GEMINI_API_KEY) or openai/gpt-image-2.6-flare (with OPENAI_API_KEY). Without it no picture is bought.",
    )

    log_level: Annotated[str, BeforeValidator(values.one_of("DEBUG", "INFO", "WARNING", "ERROR"))] = variable(
        LOGS, "The least severe message that is logged: DEBUG, INFO, WARNING or ERROR.", "INFO"
    )
    log_format: Annotated[Literal["auto", "text", "json"], BeforeValidator(values.one_of("auto", "text", "json"))] = (
        variable(
            LOGS,
            "Log lines for people (text, on standard error) or machines (json, on standard output); auto is text at a "
            "terminal, else json.",
            "auto",
        )
    )

    otel_exporter_otlp_endpoint: Address | None = variable(
        LOGS, "Where traces are sent (OTLP over HTTP), such as http://collector:4318; needs requirements-otel.txt."
    )
    otel_exporter_otlp_headers: Annotated[SecretStr, _secret_of(values.otlp_headers)] | None = variable(
        LOGS, "Headers for it, each as name=value with its special characters escaped, separated by commas."
    )
    otel_service_name: str = variable(LOGS, "What this deployment is called in traces.", "reelgrid")
    otel_traces_sampler: Annotated[str, BeforeValidator(values.one_of(*SAMPLERS))] = variable(
        LOGS, f"Which traces are sent: {', '.join(SAMPLERS)}.", "parentbased_always_on"
    )
    otel_traces_sampler_arg: Annotated[float, Field(ge=0, le=1)] = variable(
        LOGS, "The part of them where the sampler goes by a ratio, such as 0.1.", 1.0
    )

    others: Mapping[str, str] = Field(default_factory=dict, repr=False, exclude=True)
    """What else was set, for what a provider declares of its own."""
    root: Path = Field(default_factory=Path.cwd, repr=False, exclude=True)
    """Where relative paths start."""

    @classmethod
    @override
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what `load_settings` gathered counts: nothing is read from the environment behind its back."""
        return (init_settings,)

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
    def otel_headers(self) -> dict[str, str]:
        """OTEL_EXPORTER_OTLP_HEADERS, taken apart."""
        return (
            values.otlp_headers(self.otel_exporter_otlp_headers.get_secret_value())
            if self.otel_exporter_otlp_headers
            else {}
        )

    @property
    def storage(self) -> StorageTarget:
        """Where media is kept, taken apart."""
        return values.storage_target(self.storage_url)

    @property
    def former_secret_keys(self) -> tuple[str, ...]:
        """What SECRET_KEY was before, newest first."""
        return _secrets(self.secret_key_fallbacks)

    @property
    def openai_webhook_secrets(self) -> tuple[str, ...]:
        """Every live secret of OpenAI's webhooks."""
        return _secrets(self.openai_webhook_secret)

    @property
    def gemini_webhook_secrets(self) -> tuple[str, ...]:
        """Every live secret of Gemini's webhooks."""
        return _secrets(self.gemini_webhook_secret)

    @property
    def max_cost_per_run_micro(self) -> int:
        """The cap of one run in micro-dollars."""
        return values.dollars(str(self.max_cost_per_run_usd))

    @property
    def max_cost_per_day_micro(self) -> int:
        """The cap of one UTC day in micro-dollars."""
        return values.dollars(str(self.max_cost_per_day_usd))

    @property
    def storage_gb_month_micro(self) -> int | None:
        """What a gigabyte of storage costs a month, in micro-dollars."""
        return None if self.storage_usd_per_gb is None else values.dollars(str(self.storage_usd_per_gb))

    @property
    def credit_micro(self) -> int:
        """What a credit is worth, in micro-dollars."""
        return values.dollars(str(self.credit_usd))

    @property
    def token(self) -> Token:
        """What single calls are paid with."""
        token = TOKENS[self.x402_network]
        return token if self.x402_asset is None else replace(token, asset=self.x402_asset)

    @property
    def x402_facilitator(self) -> str:
        """Who moves the money of single calls."""
        return self.x402_facilitator_url or TESTNET_FACILITATOR

    @property
    def approval_threshold_micro(self) -> int | None:
        """Quotes above this many micro-dollars wait for a person: 0 is always, None is never."""
        return values.approval(self.approval)

    @property
    def trusted_origins(self) -> Mapping[str, frozenset[Origin]]:
        """By vendor, the servers the operator named, which alone may be at an inside address.

        Each holds for its own vendor only. A vendor's public address needs no trust and is left out.
        """
        named = {
            "airtable": (self.airtable_endpoint_url, self.airtable_content_url),
            "openai": (self.openai_base_url,),
            "sora": (self.sora_base_url,),
            "gemini": (self.gemini_base_url,),
            "kie": (self.kie_base_url,),
            "openrouter": (self.openrouter_base_url,),
            "veo": (self.google_cloud_base_url,),
            "speech": (self.speech_base_url,),
            "elevenlabs": (self.elevenlabs_base_url,),
            "storage": (self.aws_endpoint_url,),
            "stripe": (self.stripe_base_url,),
            "moderation": (self.moderation_base_url,),
            "x402": (self.x402_facilitator_url, self.x402_rpc_url),
        }
        found = {vendor: _origins(urls) for vendor, urls in named.items()}
        return MappingProxyType({**found, "webhooks": values.origins(self.webhook_origins)})


def _secrets(secret: SecretStr | None) -> tuple[str, ...]:
    return values.listed(secret.get_secret_value()) if secret else ()


def _origins(urls: tuple[str | None, ...]) -> frozenset[Origin]:
    return frozenset(Origin.of(url) for url in urls if url and url not in PUBLIC_ADDRESSES)


@dataclass(frozen=True, slots=True)
class Variable:
    """One row of the settings page."""

    name: str
    section: str
    description: str
    default: str
    secret: bool
    """Whether `NAME_FILE` may name a file that holds the value."""


def variables(kind: type[BaseModel] = Settings) -> tuple[Variable, ...]:
    """Every variable, in the order in which people should meet them."""
    told = (name for name, field in kind.model_fields.items() if field.json_schema_extra)
    return tuple(_variable(name, kind.model_fields[name]) for name in told)


def _variable(name: str, field: FieldInfo) -> Variable:
    extra = field.json_schema_extra
    if not isinstance(extra, dict):
        raise TypeError(f"{name} is not declared with `variable`")
    default = extra["shown"] if extra["shown"] is not None else field.default
    return Variable(
        name=name.upper(),
        section=str(extra["section"]),
        description=field.description or "",
        default="" if default is None else str(default),
        secret="SecretStr" in str(field.annotation) or not field.repr,
    )
