"""Links, keys, webhook signatures and sealed secrets; vectors are the vendors' own where they publish one."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import URLSafeSerializer
from standardwebhooks import Webhook

from pipelines.domain.errors import NotConfigured
from pipelines.domain.keys import new_token
from pipelines.security import api_keys, links, sealing, webhook_signatures
from pipelines.security.links import BadLink, LinkExpired, Malformed, Tampered
from pipelines.security.secret_keys import SecretKeys
from pipelines.security.webhook_signatures import BadWebhook, MissingSignature, Stale, WrongSignature

SECRET = SecretKeys("0123456789abcdef0123456789abcdef")
OTHER = SecretKeys(SECRET.newest[::-1])
WHSEC = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER_WHSEC = "whsec_" + base64.b64encode(bytes(32)).decode()
MESSAGE = "msg_p5jXN8AQM9LWM0D4loKWxJek"
TS = 1614265330
BODY = b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
AIRTABLE_BODY = json.dumps(
    {
        "base": {"id": "app00000000000000"},
        "webhook": {"id": "ach00000000000000"},
        "timestamp": "2022-02-01T21:25:05.663Z",
    }
).encode()
AIRTABLE_MAC = "hmac-sha256=e26da696a90933647bddc83995c3e1e3bb1c3d8ce1ff61cb7469767d50b2b2d4"
AIRTABLE_SECRET = "c2VjcmV0LWtleQ=="

# Anything a header can be made to hold, lone surrogates (undecodable bytes) included.
header = st.none() | st.text(st.characters(codec=None, categories=None), max_size=60)


def standard(**changed: object) -> None:
    facts: dict[str, object] = {
        "live": [WHSEC], "message_id": MESSAGE, "timestamp": str(TS), "signature": SIGNATURE, "body": BODY, "now": TS,
    }  # fmt: skip
    facts |= changed
    webhook_signatures.verify_standard_webhook(facts.pop("live"), **facts)  # type: ignore[arg-type]


# --- links


def test_a_media_link_opens_its_file_until_it_expires() -> None:
    token = links.sign_media(SECRET, "cuts/2026/11/a.mp4", expires_at=1000)
    assert links.read_media(SECRET, token, now=999).key == "cuts/2026/11/a.mp4"
    with pytest.raises(LinkExpired):
        links.read_media(SECRET, token, now=1000)


def test_a_page_link_opens_one_kind_of_page_for_ever_or_for_a_while() -> None:
    lasting = links.sign_page(SECRET, "record", "rec1")
    assert links.read_page(SECRET, "record", lasting, now=9e9) == "rec1"
    with pytest.raises(Tampered):
        links.read_page(SECRET, "run", lasting, now=0)
    passing = links.sign_page(SECRET, "record", "rec1", expires_at=10)
    with pytest.raises(LinkExpired):
        links.read_page(SECRET, "record", passing, now=11)


def test_the_link_of_a_row_names_its_base_and_one_that_does_not_is_outdated() -> None:
    assert links.read_row(links.row_subject("appA", "recB")) == ("appA", "recB")
    with pytest.raises(links.Outdated):
        links.read_row("recB")


def test_a_link_for_one_purpose_is_refused_for_another_and_under_another_key() -> None:
    media = links.sign_media(SECRET, "rec1", expires_at=1000)
    with pytest.raises(Tampered):
        links.read_page(SECRET, "record", media, now=0)
    with pytest.raises(Tampered):
        links.read_media(OTHER, media, now=0)


def test_changing_any_character_of_a_link_is_noticed() -> None:
    token = links.sign_media(SECRET, "cuts/a.mp4", expires_at=1000)
    for position, letter in enumerate(token[:-1]):  # the last character has spare bits in base64
        changed = token[:position] + ("A" if letter != "A" else "B") + token[position + 1 :]
        with pytest.raises(BadLink):
            links.read_media(SECRET, changed, now=0)


def test_a_signed_payload_of_another_shape_is_malformed() -> None:
    serializer: URLSafeSerializer = links._serializer(SECRET, "media")
    for payload in ("cuts/a.mp4", {"k": 1, "e": 5}, {"k": "a", "e": "never"}, {"k": "a"}, None):
        with pytest.raises(Malformed):
            links.read_media(SECRET, str(serializer.dumps(payload)), now=0)


@given(st.text(st.characters(codec=None, categories=None)))
def test_no_text_makes_reading_a_link_crash(text: str) -> None:
    with pytest.raises(BadLink):
        links.read_media(SECRET, text, now=0)


def test_view_tokens_are_unguessable_and_recognised_by_shape() -> None:
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert all(links.is_view_token(token) and len(token) == 43 for token in tokens)
    for text in ("", "a" * 42, "a" * 44, "../" + "a" * 40, "a" * 43 + "\n", "é" * 43):
        assert not links.is_view_token(text)


# --- API keys


def test_a_new_api_key_is_found_by_its_id_and_believed_by_its_hash() -> None:
    identity, key, sha256 = api_keys.new_api_key()
    assert api_keys.parse_api_key(key) == identity
    assert key.startswith(f"rg_{identity}_")
    assert sha256 == hashlib.sha256(key.encode()).hexdigest()
    assert api_keys.api_key_matches(key, sha256)
    assert not api_keys.api_key_matches(key[:-1] + "!", sha256)
    assert not api_keys.api_key_matches(key, None)
    assert identity not in sha256


def test_the_dummy_hash_of_unknown_ids_opens_nothing() -> None:
    assert not api_keys.api_key_matches("", None)
    assert not api_keys.api_key_matches("x", "")


@given(st.text(st.characters(codec=None, categories=None)))
def test_no_text_makes_parsing_or_comparing_a_key_crash(text: str) -> None:
    assert api_keys.parse_api_key(text) is None
    assert not api_keys.api_key_matches(text, "0" * 64)


# --- Standard Webhooks


def test_the_published_standard_webhooks_vector_is_believed() -> None:
    standard()


def test_what_the_reference_library_signs_is_believed() -> None:
    now = datetime.now(UTC)
    signature = Webhook(WHSEC).sign("msg_1", now, BODY.decode())
    at = int(now.timestamp())
    standard(message_id="msg_1", timestamp=str(at), signature=signature, now=at)


def test_any_live_secret_and_any_listed_signature_will_do_while_rotating() -> None:
    standard(live=[OTHER_WHSEC, WHSEC])
    standard(signature=f"v1a,xyz v1,AAAA {SIGNATURE}")
    with pytest.raises(WrongSignature):
        standard(live=[OTHER_WHSEC])
    with pytest.raises(WrongSignature):
        standard(live=[])


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"body": BODY + b" "}, WrongSignature),
        ({"body": b"\xff\xfe"}, WrongSignature),
        ({"message_id": "msg_2"}, WrongSignature),
        ({"now": TS + 301}, Stale),
        ({"now": TS - 301}, Stale),
        ({"timestamp": str(TS + 1)}, WrongSignature),
        ({"timestamp": None}, MissingSignature),
        ({"timestamp": "1614265330.0"}, MissingSignature),
        ({"timestamp": "1_614_265_330"}, MissingSignature),
        ({"timestamp": "+1614265330"}, MissingSignature),
        ({"timestamp": "١٦١٤٢٦٥٣٣٠"}, MissingSignature),
        ({"timestamp": "9" * 5000}, MissingSignature),
        ({"message_id": None}, MissingSignature),
        ({"message_id": "a b"}, MissingSignature),
        ({"signature": None}, MissingSignature),
        ({"signature": "garbage"}, MissingSignature),
        ({"signature": "v1,"}, MissingSignature),
        ({"signature": "v1,a,b"}, WrongSignature),
        ({"signature": "v1,abcde"}, WrongSignature),
        ({"signature": "v1,é"}, WrongSignature),
        ({"signature": "v1,\udcff"}, WrongSignature),
        ({"signature": SIGNATURE.replace("v1,", "v2,")}, MissingSignature),
    ],
)
def test_each_forgery_is_refused_for_its_own_reason(changed: dict[str, object], reason: type[BadWebhook]) -> None:
    with pytest.raises(reason):
        standard(**changed)


def test_the_tolerance_is_five_minutes_either_way() -> None:
    standard(now=TS + 300)
    standard(now=TS - 300)


@given(header, header, header, st.binary(max_size=40))
def test_nothing_sent_makes_a_standard_webhook_check_crash(
    message_id: str | None, timestamp: str | None, signature: str | None, body: bytes
) -> None:
    with pytest.raises(BadWebhook):
        standard(message_id=message_id, timestamp=timestamp, signature=signature, body=body)
    with pytest.raises(BadWebhook):
        standard(signature=f"v1,{signature}")


def test_a_secret_without_its_prefix_is_the_operators_mistake() -> None:
    with pytest.raises(NotConfigured):
        standard(live=[WHSEC.removeprefix("whsec_")])


# --- Airtable


def test_the_airtable_vector_is_believed() -> None:
    webhook_signatures.verify_airtable(AIRTABLE_SECRET, mac=AIRTABLE_MAC, body=AIRTABLE_BODY)


@given(header, st.binary(max_size=40))
def test_a_forged_airtable_ping_is_refused_and_never_crashes(mac: str | None, body: bytes) -> None:
    for text in (mac, f"hmac-sha256={mac}", AIRTABLE_MAC):
        with pytest.raises(BadWebhook):
            webhook_signatures.verify_airtable(AIRTABLE_SECRET, mac=text, body=body)


def test_an_airtable_secret_that_is_no_base64_is_the_operators_mistake() -> None:
    with pytest.raises(NotConfigured):
        webhook_signatures.verify_airtable("é", mac=AIRTABLE_MAC, body=AIRTABLE_BODY)


# --- kie.ai


def kie_signature(task: str, timestamp: int) -> str:
    return base64.b64encode(hmac.new(b"kie-key", f"{task}.{timestamp}".encode(), hashlib.sha256).digest()).decode()


def test_a_kie_callback_is_believed_for_its_task_and_time_only() -> None:
    def verify(
        task: str = "task1", timestamp: str | None = str(TS), signature: str | None = None, now: float = TS
    ) -> None:
        signed = kie_signature("task1", TS) if signature is None else signature
        webhook_signatures.verify_kie("kie-key", task_id=task, timestamp=timestamp, signature=signed, now=now)

    verify()
    refused: list[tuple[Callable[[], None], type[BadWebhook]]] = [
        (lambda: verify(task="task2"), WrongSignature),
        (lambda: verify(timestamp=str(TS + 1)), WrongSignature),
        (lambda: verify(now=TS + 400), Stale),
        (lambda: verify(signature=""), MissingSignature),
        (lambda: verify(timestamp=None), MissingSignature),
    ]
    for attempt, reason in refused:
        with pytest.raises(reason):
            attempt()


@given(st.text(st.characters(codec=None, categories=None)), header, header)
def test_nothing_sent_makes_a_kie_check_crash(task: str, timestamp: str | None, signature: str | None) -> None:
    for stamp in (timestamp, str(TS)):
        with pytest.raises(BadWebhook):
            webhook_signatures.verify_kie("kie-key", task_id=task, timestamp=stamp, signature=signature, now=TS)


# --- OpenRouter


def openrouter_signature(body: bytes, timestamp: int = TS) -> str:
    return hmac.new(b"or-secret", f"{timestamp},".encode() + body, hashlib.sha256).hexdigest()


def test_an_openrouter_callback_is_believed_by_any_live_secret() -> None:
    signature = f"t={TS},v1={openrouter_signature(BODY)}"
    webhook_signatures.verify_openrouter(["old", "or-secret"], signature=signature, body=BODY, now=TS + 299)
    webhook_signatures.verify_openrouter(
        ["or-secret"], signature=f"t={TS}, v1=00, v1={openrouter_signature(BODY)}", body=BODY, now=TS
    )
    with pytest.raises(WrongSignature):
        webhook_signatures.verify_openrouter(["or-secret"], signature=signature, body=BODY + b"x", now=TS)
    with pytest.raises(WrongSignature):
        webhook_signatures.verify_openrouter(["old"], signature=signature, body=BODY, now=TS)
    with pytest.raises(Stale):
        webhook_signatures.verify_openrouter(["or-secret"], signature=signature, body=BODY, now=TS + 301)
    with pytest.raises(MissingSignature):
        webhook_signatures.verify_openrouter(["or-secret"], signature=f"t=1,{signature}", body=BODY, now=TS)


@given(header, st.binary(max_size=40))
def test_nothing_sent_makes_an_openrouter_check_crash(signature: str | None, body: bytes) -> None:
    for text in (signature, f"t={TS},v1={signature}"):
        with pytest.raises(BadWebhook):
            webhook_signatures.verify_openrouter(["or-secret"], signature=text, body=body, now=TS)


# --- secrets at rest


def test_a_sealed_secret_opens_under_the_same_key_only() -> None:
    sealed = sealing.seal(SECRET, "mac-secret é")
    assert "mac-secret" not in sealed
    assert sealing.unseal(SECRET, sealed) == "mac-secret é"
    assert sealing.seal(SECRET, "mac-secret é") != sealed
    for key, text in ((OTHER, sealed), (SECRET, sealed[:-4] + "AAA="), (SECRET, ""), (SECRET, "\udcff")):
        with pytest.raises(NotConfigured):
            sealing.unseal(key, text)
