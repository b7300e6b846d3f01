"""How a variable is declared: its type, its section, one sentence, and so its row on the settings page."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr
from pydantic.fields import FieldInfo

from pipelines.environment import Origin
from pipelines.settings import values

SECTIONS = HERE, DATA, BASE, WRITE, VIDEO, SPEND, SELL, FILMS, LOGS = (
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
"""In the order in which people should meet them."""


def checked(parse: Callable[[str], object]) -> AfterValidator:
    """Keep the text as written, once the parser has accepted it."""

    def check(text: str) -> str:
        parse(text)
        return text

    return AfterValidator(check)


def _models(value: Any) -> tuple[str, ...]:
    names = values.listed(value) if isinstance(value, str) else tuple(value)
    return tuple(values.model_name(name) for name in names)


def secret_of(parse: Callable[[str], object]) -> AfterValidator:
    """The same for a secret, whose text no message quotes."""

    def check(secret: SecretStr) -> SecretStr:
        parse(secret.get_secret_value())
        return secret

    return AfterValidator(check)


def secrets(secret: SecretStr | None) -> tuple[str, ...]:
    """What a variable lists that holds several secrets while one of them is rotated."""
    return values.listed(secret.get_secret_value()) if secret else ()


def _usd(value: Any) -> Decimal:
    values.dollars(str(value))
    return Decimal(str(value))


def _days(value: Any) -> int | None:
    return value if value is None else values.keep_days(str(value))


def _issuer(text: str) -> str:
    """As the issuer writes it: its tokens name it letter by letter, a closing slash included."""
    values.http_url(text)
    if not text.startswith("https://") and not Origin.of(text).loopback:
        raise ValueError("must start with https://: whoever could change its keys on the way could be anybody.")
    return text


Address = Annotated[str, AfterValidator(values.http_url)]
Usd = Annotated[Decimal, BeforeValidator(_usd)]
Days = Annotated[int | None, BeforeValidator(_days)]
"""None is for ever."""
WebhookSecret = Annotated[SecretStr, secret_of(values.webhook_secrets)]
ModelNames = Annotated[tuple[str, ...], BeforeValidator(_models)]
IssuerName = Annotated[str, AfterValidator(_issuer)]


def variable(section: str, description: str, default: Any = None, *, shown: str | None = None, **field: Any) -> Any:
    """A variable: `shown` words the default when it is worked out or would say nothing."""
    return Field(default, description=description, json_schema_extra={"section": section, "shown": shown}, **field)


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


@dataclass(frozen=True, slots=True)
class Variable:
    """One row of the settings page."""

    name: str
    section: str
    description: str
    default: str
    secret: bool
    """Whether `NAME_FILE` may name a file that holds the value."""


def variables(kind: type[BaseModel]) -> tuple[Variable, ...]:
    """Every variable of Settings or of a provider's OwnSettings, section by section."""
    told = (_variable(name, field) for name, field in kind.model_fields.items() if field.json_schema_extra)
    return in_sections(told)


def in_sections(rows: Iterable[Variable]) -> tuple[Variable, ...]:
    """Sorted into their sections, otherwise as they come."""
    return tuple(sorted(rows, key=lambda row: SECTIONS.index(row.section)))


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
