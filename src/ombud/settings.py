"""The settings, read once from the environment, at the edge. An unknown or unreadable one stops the start."""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from ombud import setting_values as parsers
from ombud.errors import ConfigurationError
from ombud.setting_values import (
    LONGEST_ALARM_SECONDS,
    LONGEST_LEASE_SECONDS,
    LONGEST_TIMEOUT_SECONDS,
    Network,
    TrustedProxy,
)

T = TypeVar("T")
# 5 s, 30 s, 5 min, 30 min, 2 h, 5 h, 10 h, then every 12 h until 72 h have passed: 12 tries in 65.6 hours, which
# outlasts a merchant's weekend.
RETRY_SECONDS = (5.0, 30.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0, 43_200.0, 43_200.0, 43_200.0, 43_200.0)
# Schedules by name, and how long each goes on; jitter comes on top. Of those who publish none: as they describe it.
RETRY_PRESETS: Mapping[str, tuple[float, ...]] = {
    # Standard Webhooks, "Retry schedule": 10 tries in 75.6 hours.
    "standard": (5.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0),
    # Svix, "Retry schedule": 8 tries in 27.6 hours.
    "svix": (5.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0, 36_000.0),
    # Stripe says "up to three days with an exponential back off": from a minute, doubled up to 12 hours; 65 hours.
    "stripe": (*(60.0 * 2**n for n in range(10)), 43_200.0, 43_200.0, 43_200.0, 43_200.0),
    # Shopify says "8 times over 4 hours": from 56 seconds, doubled.
    "shopify": tuple(56.0 * 2**n for n in range(8)),
}
# More than a worker has slots, and ten years, are typing errors too.
MOST_IN_FLIGHT = 2_048
MOST_DAYS = 3_650
# Webhooks in a minute, or an hour: more than a receiver takes in at all.
MOST_WEBHOOKS = 100_000_000
# Every event is written once for each endpoint that wants it; more than this and one shop slows the commits of all.
ENDPOINTS_PER_SHOP = 20
MOST_ENDPOINTS_PER_SHOP = 1_000
# What people may be (ombud.admin.access.Role).
ROLES = ("reader", "editor", "owner")
# Past what one machine stores.
MOST_EVENTS_PER_SECOND = 1_000_000


@dataclass(frozen=True)
class Settings:
    """Every setting, with its default. Spans are in seconds."""

    database_url: str = field(default="sqlite:///ombud.db", repr=False)  # it may hold a password
    allow_networks: tuple[Network, ...] = ()
    retry_seconds: tuple[float, ...] = RETRY_SECONDS
    probe_seconds: tuple[float, ...] = (5.0, 300.0)  # until the first probe of a failing destination, doubling to this
    window_cap: int = 64  # deliveries in flight for one destination: what it can hold of a process
    endpoints_per_shop: int = ENDPOINTS_PER_SHOP
    encryption_key_file: str = ""  # beside the SQLite file, else in the working folder
    events_per_second: int = 0  # that one key may publish; 0: a platform's own key is limited by the disk alone
    lease_seconds: float = 30.0  # without a sign of life a lane is somebody else's: three signs and one long commit
    keep_done_days: int = 3  # at 10,000 events/s a day of them is half a terabyte
    keep_failed_days: int = 30  # a merchant comes back from holidays
    timeout_seconds: float = 10.0  # the vendor's page: acknowledge within 10 seconds
    target_connections: int = 64  # to one host at once, whoever's endpoints: what one endpoint may have
    target_per_second: int = 200  # to one host, whoever's endpoints: what a small web server bears
    perform: str = "here"
    confirm: str = "api"
    sources: str = "learn"  # a wrong list would lose every webhook, and the vendor publishes none
    source_learn_days: int = 30  # long enough for a platform to have used all its addresses
    alike_per_minute: int = 600  # ten saves a second of one product are a loop or an attack
    webhooks_per_hour: int = 100_000  # of one shop: more than a large one needs; a million rows are a quarter of a GB
    trusted_proxies: tuple[TrustedProxy, ...] = ()
    reads_per_second: float = 2.0  # the vendor states no limit; others' clients stay at this
    quiet_seconds: tuple[float, float] = (2.0, 10.0)  # a person saves a product thrice; longer is no burst
    settle_seconds: tuple[float, ...] = (5.0, 60.0)  # an API's copies lag by a second or so, and seldom by a minute
    reconcile_seconds: tuple[float, ...] = (300.0, 3_600.0)  # an order waits 5 min at worst; a product list costs more
    volatile_fields: tuple[str, ...] = ()  # beside the date of a change
    absence_gap_seconds: float = 30.0  # two looks this far apart prove that a product is gone
    api_url: str = "https://api.quickbutik.com/v1"
    public_url: str = ""  # where people open the panel, when that is not this machine
    oidc_issuer: str = ""  # with a client id: people may log in there, beside passwords
    oidc_client_id: str = ""
    oidc_client_secret: str | None = field(default=None, repr=False)
    oidc_domain: tuple[str, str] | None = None  # whose addresses need no invitation, and their role
    smtp_host: str = ""
    smtp_port: int = 0  # 0: the usual one, 587 with STARTTLS and 465 with TLS
    smtp_security: str = "starttls"  # what mail providers offer (RFC 6409)
    smtp_user: str = ""
    smtp_password: str | None = field(default=None, repr=False)
    mail_from: str = ""
    alarm_after_seconds: float = 60.0  # what is well again within a minute is no news
    alarm_due_seconds: float = 300.0  # a performer looks every two seconds; customers notice five minutes
    alarm_silence_seconds: float = 86_400.0  # a small shop sells something on most days
    alarm_disk_percent: int = 90  # the last tenth is the time to mend it
    alarm_gap_seconds: float = 60.0  # nobody reads more than a message a minute: what comes meanwhile is told together
    token: str | None = field(default=None, repr=False)
    api_key: str | None = field(default=None, repr=False)


# How each name in the environment is read, and the field it fills. A secret may come from a file: NAME_FILE.
_PARSERS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "OMBUD_DATABASE_URL": ("database_url", parsers.text),
    "OMBUD_ALLOW_NETWORKS": ("allow_networks", parsers.networks),
    "OMBUD_RETRY_SECONDS": ("retry_seconds", parsers.retries(RETRY_PRESETS)),
    "OMBUD_PROBE_SECONDS": ("probe_seconds", parsers.probes),
    "OMBUD_WINDOW_CAP": ("window_cap", parsers.whole(1, MOST_IN_FLIGHT)),
    "OMBUD_ENDPOINTS_PER_SHOP": ("endpoints_per_shop", parsers.whole(1, MOST_ENDPOINTS_PER_SHOP)),
    "OMBUD_ENCRYPTION_KEY_FILE": ("encryption_key_file", parsers.text),
    "OMBUD_EVENTS_PER_SECOND": ("events_per_second", parsers.whole(0, MOST_EVENTS_PER_SECOND)),
    "OMBUD_LEASE_SECONDS": ("lease_seconds", parsers.positive(LONGEST_LEASE_SECONDS)),
    "OMBUD_KEEP_DONE_DAYS": ("keep_done_days", parsers.whole(1, MOST_DAYS)),
    "OMBUD_KEEP_FAILED_DAYS": ("keep_failed_days", parsers.whole(1, MOST_DAYS)),
    "OMBUD_TIMEOUT_SECONDS": ("timeout_seconds", parsers.positive(LONGEST_TIMEOUT_SECONDS)),
    "OMBUD_TARGET_CONNECTIONS": ("target_connections", parsers.whole(1, MOST_IN_FLIGHT)),
    "OMBUD_TARGET_PER_SECOND": ("target_per_second", parsers.whole(1, MOST_EVENTS_PER_SECOND)),
    "OMBUD_PERFORM": ("perform", parsers.one_of("here", "elsewhere")),
    "OMBUD_CONFIRM": ("confirm", parsers.one_of("api", "none")),
    "OMBUD_SOURCES": ("sources", parsers.one_of("learn", "warn", "enforce")),
    "OMBUD_SOURCE_LEARN_DAYS": ("source_learn_days", parsers.whole(0, MOST_DAYS)),
    "OMBUD_ALIKE_PER_MINUTE": ("alike_per_minute", parsers.whole(1, MOST_WEBHOOKS)),
    "OMBUD_WEBHOOKS_PER_HOUR": ("webhooks_per_hour", parsers.whole(1, MOST_WEBHOOKS)),
    "OMBUD_TRUSTED_PROXIES": ("trusted_proxies", parsers.proxies),
    "OMBUD_READS_PER_SECOND": ("reads_per_second", parsers.positive(MOST_EVENTS_PER_SECOND)),
    "OMBUD_QUIET_SECONDS": ("quiet_seconds", parsers.quiet),
    "OMBUD_SETTLE_SECONDS": ("settle_seconds", parsers.seconds_list),
    "OMBUD_RECONCILE_SECONDS": ("reconcile_seconds", parsers.sweeps),
    "OMBUD_VOLATILE_FIELDS": ("volatile_fields", parsers.paths),
    "OMBUD_API_URL": ("api_url", parsers.api_url),
    "OMBUD_PUBLIC_URL": ("public_url", parsers.public_url),
    "OMBUD_OIDC_ISSUER": ("oidc_issuer", parsers.issuer),
    "OMBUD_OIDC_CLIENT_ID": ("oidc_client_id", parsers.text),
    "OMBUD_OIDC_CLIENT_SECRET": ("oidc_client_secret", parsers.text),
    "OMBUD_OIDC_DOMAIN": ("oidc_domain", parsers.domain(ROLES)),
    "OMBUD_SMTP_HOST": ("smtp_host", parsers.text),
    "OMBUD_SMTP_PORT": ("smtp_port", parsers.whole(1, 65_535)),
    "OMBUD_SMTP_SECURITY": ("smtp_security", parsers.one_of("starttls", "tls", "none")),
    "OMBUD_SMTP_USER": ("smtp_user", parsers.text),
    "OMBUD_SMTP_PASSWORD": ("smtp_password", parsers.text),
    "OMBUD_MAIL_FROM": ("mail_from", parsers.text),
    "OMBUD_ALARM_AFTER_SECONDS": ("alarm_after_seconds", parsers.positive(LONGEST_ALARM_SECONDS)),
    "OMBUD_ALARM_DUE_SECONDS": ("alarm_due_seconds", parsers.positive(LONGEST_ALARM_SECONDS)),
    "OMBUD_ALARM_SILENCE_SECONDS": ("alarm_silence_seconds", parsers.positive(LONGEST_ALARM_SECONDS)),
    "OMBUD_ALARM_DISK_PERCENT": ("alarm_disk_percent", parsers.whole(1, 99)),
    "OMBUD_ALARM_GAP_SECONDS": ("alarm_gap_seconds", parsers.positive(LONGEST_ALARM_SECONDS)),
    "OMBUD_TOKEN": ("token", parsers.text),
    "OMBUD_API_KEY": ("api_key", parsers.text),
    "QUICKBUTIK_API_KEY": ("api_key", parsers.text),
}
NAMES = frozenset(_PARSERS)
# What is not shown may come from a file.
_HIDDEN = {one.name for one in fields(Settings) if not one.repr}
_SECRETS = frozenset(name for name, (to, _) in _PARSERS.items() if to in _HIDDEN)


def read_settings(environment: Mapping[str, str], **defaults: Any) -> Settings:
    """Read the settings; `defaults` stand in for what the environment does not set.

    Raises ConfigurationError, which names the variable, says what is wrong and never shows a secret.
    """
    values: dict[str, Any] = dict(defaults)
    given: dict[str, str] = {}
    for name in sorted(environment):
        if not (name.startswith("OMBUD_") or name.removesuffix("_FILE") in _PARSERS):
            continue
        plain, text = _value(name, environment[name])
        field, parse = _PARSERS[plain]
        if field in given:
            raise ConfigurationError(f"{given[field]} and {name} are both set. Keep one of them.")
        given[field] = name
        values[field] = _parse(name, text, parse, secret=plain in _SECRETS)
    pair = {"oidc_issuer": "OMBUD_OIDC_ISSUER", "oidc_client_id": "OMBUD_OIDC_CLIENT_ID"}
    if len(alone := [name for field, name in pair.items() if values.get(field)]) == 1:
        [other] = set(pair.values()) - set(alone)
        raise ConfigurationError(f"{alone[0]} says nothing without {other}. Set both, or neither.")
    return Settings(**values)


def _value(name: str, text: str) -> tuple[str, str]:
    if name in _PARSERS:
        return name, text
    plain = name.removesuffix("_FILE")
    if plain == name or plain not in _SECRETS:
        nearest = difflib.get_close_matches(name, [*_PARSERS, *(f"{secret}_FILE" for secret in _SECRETS)], 1, 0.0)[0]
        raise ConfigurationError(f"{name} is not a setting. The nearest one is {nearest}.")
    try:
        return plain, Path(text).read_text("utf-8").strip()
    except UnicodeDecodeError:
        why = "it is not text in UTF-8"
    except OSError as error:
        why = str(error)
    # Raised after its cause is gone: the error of a decoder holds all that it was given.
    raise ConfigurationError(f"{name} names a file that cannot be read: {why}.")


def _parse(name: str, text: str, parse: Callable[[str], T], *, secret: bool) -> T:
    try:
        return parse(text)
    except ValueError as error:
        shown = "its value" if secret else repr(text)
        raise ConfigurationError(f"{name}: {shown} cannot be used: {error}.") from None
