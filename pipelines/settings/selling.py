"""What may be spent, what is kept and for how long, and how accounts pay."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, SecretStr

from pipelines.environment import one_of
from pipelines.settings import values
from pipelines.settings.networks import TESTNET_FACILITATOR, TOKENS, Token
from pipelines.settings.variables import SELL, SPEND, Address, Days, Usd, checked, variable

STRIPE_URL = "https://api.stripe.com"


class SpendingSettings(BaseModel):
    """Caps, approval, moderation and retention."""

    max_cost_per_run_usd: Usd = variable(SPEND, "No run may spend more than this many dollars.", Decimal(20))
    max_cost_per_day_usd: Usd = variable(SPEND, "No day (UTC) may spend more than this many dollars.", Decimal(100))
    approval: Annotated[str, checked(values.approval)] = variable(
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
    def approval_threshold_micro(self) -> int | None:
        """Quotes above this many micro-dollars wait for a person: 0 is always, None is never."""
        return values.approval(self.approval)


class SellingSettings(BaseModel):
    """Prices of accounts, credits and payments."""

    price_list: Path | None = variable(
        SELL, "A file with what accounts are charged; without one, what providers charge.", shown="at cost"
    )
    credit_usd: Annotated[Usd, Field(gt=0)] = variable(
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
    x402_network: Annotated[str, AfterValidator(one_of(*TOKENS))] = variable(
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
