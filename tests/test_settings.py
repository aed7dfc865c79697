"""The settings: read once, at the edge; what cannot be read stops the start and is named."""

import re
from dataclasses import fields
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ombud.clock import now_microseconds
from ombud.errors import ConfigurationError
from ombud.setting_values import MOST_RETRIES
from ombud.settings import _PARSERS, RETRY_SECONDS, Settings, read_settings

SECRET = "hunter2-åäö"


def test_an_empty_environment_gives_the_defaults() -> None:
    settings = read_settings({"HOME": "/root", "PATH": "/bin", "OMBUDSMAN": "x"})

    assert settings == Settings()
    assert settings.database_url == "sqlite:///ombud.db"
    assert settings.timeout_seconds == 10
    assert settings.retry_seconds == RETRY_SECONDS


@pytest.mark.parametrize("url", ["api.x/v1", "ftp://x/v1", "https://k:k@x/v1", "https://x/?apiKey=k", "http://["])
def test_an_address_of_an_api_that_is_none_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^OMBUD_API_URL: .* https://api.quickbutik.com/v1") as error:
        read_settings({"OMBUD_API_URL": url})
    assert url not in str(error.value)


@pytest.mark.parametrize(
    ("name", "text", "field", "value"),
    [
        ("OMBUD_DATABASE_URL", "sqlite:////srv/o.db", "database_url", "sqlite:////srv/o.db"),
        (
            "OMBUD_ALLOW_NETWORKS",
            "10.0.0.0/8, ::1/128",
            "allow_networks",
            (ip_network("10.0.0.0/8"), ip_network("::1")),
        ),
        ("OMBUD_ALLOW_NETWORKS", "127.0.0.1", "allow_networks", (ip_network("127.0.0.1/32"),)),
        ("OMBUD_ALLOW_NETWORKS", "", "allow_networks", ()),
        ("OMBUD_RETRY_SECONDS", "0.2,0.5, 1", "retry_seconds", (0.2, 0.5, 1.0)),
        ("OMBUD_RETRY_SECONDS", "", "retry_seconds", ()),
        ("OMBUD_RETRY_SECONDS", "0", "retry_seconds", (0.0,)),
        ("OMBUD_TIMEOUT_SECONDS", "2.5", "timeout_seconds", 2.5),
        ("OMBUD_PERFORM", "elsewhere", "perform", "elsewhere"),
        ("OMBUD_CONFIRM", "none", "confirm", "none"),
        ("OMBUD_ALIKE_PER_MINUTE", "5", "alike_per_minute", 5),
        ("OMBUD_EVENTS_PER_SECOND", "100", "events_per_second", 100),
        ("OMBUD_ENCRYPTION_KEY_FILE", "/etc/ombud.key", "encryption_key_file", "/etc/ombud.key"),
        ("OMBUD_TARGET_CONNECTIONS", "4", "target_connections", 4),
        ("OMBUD_TARGET_PER_SECOND", "50", "target_per_second", 50),
        ("OMBUD_SOURCES", "enforce", "sources", "enforce"),
        ("OMBUD_SOURCE_LEARN_DAYS", "0", "source_learn_days", 0),
        ("OMBUD_TRUSTED_PROXIES", "10.0.0.0/8, unix", "trusted_proxies", (ip_network("10.0.0.0/8"), "unix")),
        ("OMBUD_READS_PER_SECOND", "1000", "reads_per_second", 1000.0),
        ("OMBUD_QUIET_SECONDS", "0,0", "quiet_seconds", (0.0, 0.0)),
        ("OMBUD_RECONCILE_SECONDS", "60,600", "reconcile_seconds", (60.0, 600.0)),
        ("OMBUD_RECONCILE_SECONDS", "", "reconcile_seconds", ()),
        ("OMBUD_SETTLE_SECONDS", "5", "settle_seconds", (5.0,)),
        ("OMBUD_VOLATILE_FIELDS", "views, images.*.image", "volatile_fields", ("views", "images.*.image")),
        ("OMBUD_API_URL", "http://127.0.0.1:8701/v1", "api_url", "http://127.0.0.1:8701/v1"),
        ("OMBUD_TOKEN", SECRET, "token", SECRET),
        ("OMBUD_API_KEY", SECRET, "api_key", SECRET),
        ("QUICKBUTIK_API_KEY", SECRET, "api_key", SECRET),
    ],
)
def test_a_setting_is_read(name: str, text: str, field: str, value: Any) -> None:
    assert read_settings({name: text}) == Settings(**{field: value})


def test_every_name_fills_a_field() -> None:
    assert {field for field, _ in _PARSERS.values()} <= {field.name for field in fields(Settings)}


def test_a_caller_s_defaults_give_way_to_the_environment() -> None:
    settings = read_settings({"OMBUD_PERFORM": "elsewhere"}, perform="here", retry_seconds=(1.0,))

    assert (settings.perform, settings.retry_seconds) == ("elsewhere", (1.0,))


@pytest.mark.parametrize("name", ["OMBUD_DATABASE_URL", "OMBUD_TOKEN", "OMBUD_API_KEY", "QUICKBUTIK_API_KEY"])
def test_a_secret_may_come_from_a_file(tmp_path: Path, name: str) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n", "utf-8")

    assert read_settings({f"{name}_FILE": str(file)}) == read_settings({name: SECRET})


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe", b" \n"])
def test_a_secret_s_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(ConfigurationError, match=r"^OMBUD_TOKEN_FILE"):
        read_settings({"OMBUD_TOKEN_FILE": str(file)})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("OMBUD_RETRY_SECONDS", "5;30"),
        ("OMBUD_VOLATILE_FIELDS", "views..image"),
        ("OMBUD_VOLATILE_FIELDS", "*"),
        ("OMBUD_RETRY_SECONDS", "5,,30"),
        ("OMBUD_RETRY_SECONDS", "-1"),
        ("OMBUD_RETRY_SECONDS", "nan"),
        ("OMBUD_RETRY_SECONDS", "inf"),
        ("OMBUD_RETRY_SECONDS", "86401"),
        ("OMBUD_RETRY_SECONDS", "1e300"),
        ("OMBUD_RETRY_SECONDS", ",".join(["1"] * (MOST_RETRIES + 1))),
        ("OMBUD_TIMEOUT_SECONDS", "0"),
        ("OMBUD_TIMEOUT_SECONDS", "-1"),
        ("OMBUD_TIMEOUT_SECONDS", "nan"),
        ("OMBUD_TIMEOUT_SECONDS", "ten"),
        ("OMBUD_TIMEOUT_SECONDS", ""),
        ("OMBUD_TIMEOUT_SECONDS", "121"),
        ("OMBUD_TARGET_CONNECTIONS", "1.5"),
        ("OMBUD_LEASE_SECONDS", "1e9"),
        ("OMBUD_ALARM_AFTER_SECONDS", "1e300"),
        ("OMBUD_PROBE_SECONDS", "5"),
        ("OMBUD_ALLOW_NETWORKS", "0.0.0.0/0"),
        ("OMBUD_ALLOW_NETWORKS", "10.0.0.0/8,::/0"),
        ("OMBUD_READS_PER_SECOND", "inf"),
        ("OMBUD_ALLOW_NETWORKS", "10.0.0.1/8"),
        ("OMBUD_ALLOW_NETWORKS", "localhost"),
        ("OMBUD_PERFORM", "there"),
        ("OMBUD_CONFIRM", "API"),
        ("OMBUD_API_URL", ""),
    ],
)
def test_a_value_that_cannot_be_used_is_named_and_shown(name: str, text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_settings({name: text})

    words = str(caught.value)
    assert words.startswith(f"{name}: {text!r} cannot be used: ")
    assert not re.search(r"literal|convert|host bits|does not appear", words), "words of Python's help nobody"


@pytest.mark.parametrize("name", ["OMBUD_DATABASE_URL", "OMBUD_TOKEN", "OMBUD_API_KEY", "QUICKBUTIK_API_KEY"])
def test_an_empty_secret_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name}: its value cannot be used: it is empty"):
        read_settings({name: ""})


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("OMBUD_TIMEOUT", "OMBUD_TIMEOUT_SECONDS"),
        ("OMBUD_RETRYSECONDS", "OMBUD_RETRY_SECONDS"),
        ("OMBUD_TOKEN_FIL", "OMBUD_TOKEN_FILE"),
        ("OMBUD_TIMEOUT_SECONDS_FILE", "OMBUD_TIMEOUT_SECONDS"),
        ("OMBUD_", "OMBUD_TOKEN"),
    ],
)
def test_an_unknown_name_is_refused_and_the_nearest_is_named(name: str, nearest: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_settings({name: SECRET})

    assert str(caught.value) == f"{name} is not a setting. The nearest one is {nearest}."


def test_two_names_for_one_setting_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(SECRET, "utf-8")

    with pytest.raises(ConfigurationError, match="OMBUD_API_KEY and QUICKBUTIK_API_KEY are both set") as caught:
        read_settings({"OMBUD_API_KEY": SECRET, "QUICKBUTIK_API_KEY": SECRET})
    assert SECRET not in str(caught.value)

    with pytest.raises(ConfigurationError, match="OMBUD_TOKEN and OMBUD_TOKEN_FILE are both set"):
        read_settings({"OMBUD_TOKEN": SECRET, "OMBUD_TOKEN_FILE": str(file)})


@given(st.sampled_from(sorted(_PARSERS)), st.text(max_size=40))
def test_no_value_gives_anything_but_settings_or_a_named_error(name: str, text: str) -> None:
    try:
        settings = read_settings({name: text})
    except ConfigurationError as error:
        refusal = str(error)
    else:
        refusal = name
        assert all(0 <= seconds <= 86_400 for seconds in settings.retry_seconds)
        assert settings.timeout_seconds > 0
    assert refusal.startswith(name)


def test_the_clock_counts_microseconds_since_1970() -> None:
    before, after = now_microseconds(), now_microseconds()

    assert before <= after
    # From the year 2024 to the year 2200.
    assert 1_704_067_200_000_000 < before < 7_258_118_400_000_000


ISSUER = {"OMBUD_OIDC_ISSUER": "https://id.example.com/realms/shop", "OMBUD_OIDC_CLIENT_ID": "ombud"}


def test_a_provider_has_an_address_that_is_safe_and_a_name_for_us() -> None:
    settings = read_settings(ISSUER | {"OMBUD_OIDC_DOMAIN": "Example.com:editor"})
    assert (settings.oidc_issuer, settings.oidc_domain) == (ISSUER["OMBUD_OIDC_ISSUER"], ("example.com", "editor"))
    assert read_settings(ISSUER | {"OMBUD_OIDC_ISSUER": "http://127.0.0.1:9000"}).oidc_issuer
    for name, value in ISSUER.items():
        with pytest.raises(ConfigurationError, match=f"^{name} says nothing without"):
            read_settings({name: value})
    for issuer in ("http://id.example.com", "https://", "https://a@id.example.com", "https://id.example.com?a=b", "x"):
        with pytest.raises(ConfigurationError, match="OMBUD_OIDC_ISSUER"):
            read_settings(ISSUER | {"OMBUD_OIDC_ISSUER": issuer})
    for domain in ("example.com", "example.com:king", ":reader", "a@example.com:reader"):
        with pytest.raises(ConfigurationError, match="OMBUD_OIDC_DOMAIN"):
            read_settings(ISSUER | {"OMBUD_OIDC_DOMAIN": domain})
