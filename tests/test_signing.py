"""Signatures: the vectors of the page, the reference library's opinion, and everything that must not pass."""

import base64
import hmac
import json
import re
import string
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from ombud.errors import InvalidInput, InvalidSignature
from ombud.signing import (
    MOST_SIGNATURES,
    TOLERANCE_SECONDS,
    Signer,
    new_secret,
    read_secret,
    verify,
)

PAGE = (Path(__file__).parent.parent / "docs" / "signing.md").read_text()
VECTORS = [json.loads(line) for line in re.search(r"```json\n(.*?)```", PAGE, re.DOTALL)[1].splitlines()]  # type: ignore[index]

KEYS = [bytes([number]) * 32 for number in range(3)]
TARGET = "/hooks?event_type=order.new&order_id=90017"
NOW = 1_800_000_000


def secret(key: bytes) -> str:
    return "whsec_" + base64.b64encode(key).decode()


def signed(
    keys: list[bytes],
    target: str = TARGET,
    now: int = NOW,
    message_id: str = "evt_1",
    changes: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, str]:
    headers = {
        "webhook-id": message_id,
        "webhook-timestamp": str(now),
        "webhook-signature": Signer(keys).sign(message_id, now, target),
    }
    return {name: value for name, value in {**headers, **changes}.items() if value != "absent"}


@pytest.mark.parametrize("vector", VECTORS)
def test_the_vectors_of_the_page(vector: dict[str, Any]) -> None:
    keys = [read_secret(text) for text in vector["secrets"]]

    assert Signer(keys).sign(vector["id"], vector["timestamp"], vector["target"]) == vector["signature"]
    headers = {
        "Webhook-Id": vector["id"],
        "Webhook-Timestamp": str(vector["timestamp"]),
        "Webhook-Signature": vector["signature"],
    }
    for key in keys:
        assert verify([key], headers, vector["target"], vector["timestamp"]) == vector["id"]


def test_the_page_has_vectors_for_rotation_and_for_what_is_easily_decoded() -> None:
    assert any(len(vector["secrets"]) == 2 for vector in VECTORS)
    assert any("%" in vector["target"] and "+" in vector["target"] for vector in VECTORS)


TARGETS = st.text(string.ascii_letters + string.digits + "-._~!$&'()*+,;=:@/?%", max_size=60).map("/{}".format)
SECRETS = st.binary(min_size=24, max_size=64)


@settings(deadline=None)
@given(SECRETS, TARGETS, st.from_regex(r"evt_[0-9a-z]{13}", fullmatch=True))
def test_the_reference_library_takes_what_is_signed_here(key: bytes, target: str, message_id: str) -> None:
    now = int(time.time())
    headers = signed([key, KEYS[0]], target, now, message_id)

    Webhook(secret(key)).verify(f"GET {target}", headers, json_parse=False)
    Webhook(secret(KEYS[0])).verify(f"GET {target}", headers, json_parse=False)
    for other in (f"GET {target}x", f"HEAD {target}", target):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret(key)).verify(other, headers, json_parse=False)


@settings(deadline=None)
@given(st.binary(max_size=200), TARGETS)
def test_it_is_hmac_sha256_whatever_the_key(key: bytes, target: str) -> None:
    expected = hmac.digest(key, f"evt_1.{NOW}.GET {target}".encode(), "sha256")

    assert Signer([key]).sign("evt_1", NOW, target) == f"v1,{base64.b64encode(expected).decode()}"


def test_a_new_secret_is_one_that_the_reference_library_takes() -> None:
    made = {new_secret() for _ in range(100)}

    assert len(made) == 100
    for text in made:
        assert len(read_secret(text)) == 32
        headers = signed([read_secret(text)], now=int(time.time()))
        Webhook(text).verify(f"GET {TARGET}", headers, json_parse=False)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "whsec_",
        "whsec_***",
        "whsec_" + "A" * 31,
        secret(b"k" * 23),
        secret(b"k" * 65),
        "whsec_ " + "A" * 32,
        "Å" * 32,
    ],
)
def test_what_is_no_secret(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_secret(text, "secrets[1]")
    assert caught.value.field == "secrets[1]"
    assert not text or text not in str(caught.value)


def test_a_secret_with_and_without_its_prefix_is_the_same() -> None:
    assert read_secret(secret(KEYS[1])) == read_secret(secret(KEYS[1]).removeprefix("whsec_")) == KEYS[1]


def test_while_a_secret_is_replaced_both_sides_may_change_first() -> None:
    old, new = KEYS[:2]

    for sender, receiver in [([old], [old]), ([new, old], [old]), ([new, old], [new]), ([new], [new, old])]:
        assert verify(receiver, signed(sender), TARGET, NOW) == "evt_1"
    with pytest.raises(InvalidSignature):
        verify([old], signed([new]), TARGET, NOW)


def test_a_signature_holds_for_its_time_alone() -> None:
    headers = signed(KEYS[:1])

    for seconds in (0, TOLERANCE_SECONDS, -TOLERANCE_SECONDS):
        assert verify(KEYS[:1], headers, TARGET, NOW + seconds)
    for seconds in (TOLERANCE_SECONDS + 1, -TOLERANCE_SECONDS - 1, 10**9):
        with pytest.raises(InvalidSignature, match="timestamp"):
            verify(KEYS[:1], headers, TARGET, NOW + seconds)
    assert verify(KEYS[:1], headers, TARGET, NOW + 900, tolerance_seconds=900)


GOOD = signed(KEYS[:1])
SIGNATURE = GOOD["webhook-signature"]


@pytest.mark.parametrize(
    "changes",
    [
        {"webhook-id": "absent"},
        {"webhook-timestamp": "absent"},
        {"webhook-signature": "absent"},
        {"webhook-id": ""},
        {"webhook-id": "evt_2"},
        {"webhook-id": f"evt_1.{NOW}"},
        {"webhook-timestamp": str(NOW + 1)},
        {"webhook-timestamp": f"0{NOW}"},
        {"webhook-timestamp": f" {NOW}"},
        {"webhook-timestamp": f"{NOW}.0"},
        {"webhook-timestamp": f"+{NOW}"},
        {"webhook-timestamp": "١٢"},
        {"webhook-timestamp": "9" * 5_000},
        {"webhook-timestamp": "now"},
        {"webhook-signature": ""},
        {"webhook-signature": " "},
        # Svix once compared up to the shorter of two (CVE-2024-21491).
        {"webhook-signature": "v1,"},
        {"webhook-signature": SIGNATURE[:-1]},
        {"webhook-signature": SIGNATURE[:10]},
        {"webhook-signature": SIGNATURE + "="},
        {"webhook-signature": SIGNATURE.swapcase()},
        {"webhook-signature": SIGNATURE.removeprefix("v1,")},
        {"webhook-signature": SIGNATURE.replace("v1,", "v1a,")},
        {"webhook-signature": SIGNATURE.replace("v1,", "v2,")},
        {"webhook-signature": SIGNATURE.replace(",", " ")},
        {"webhook-signature": Signer(KEYS[1:]).sign("evt_1", NOW, TARGET)},
        {"webhook-signature": "v1,\ud800"},
        {"webhook-signature": "v1,é"},
        {"webhook-signature": "v1,AAAA " * MOST_SIGNATURES + SIGNATURE},
    ],
)
def test_what_does_not_pass(changes: dict[str, str]) -> None:
    with pytest.raises(InvalidSignature):
        verify(KEYS[:1], signed(KEYS[:1], changes=changes), TARGET, NOW)


def test_the_good_one_among_others_passes() -> None:
    headers = signed(KEYS[:1], changes={"webhook-signature": f"v1a,x v1,AAAA {SIGNATURE} v1,"})

    assert verify(KEYS[:1], headers, TARGET, NOW) == "evt_1"
    assert verify(KEYS, GOOD, TARGET, NOW) == "evt_1"


@pytest.mark.parametrize(
    ("target", "method"),
    [
        (TARGET, "POST"),
        (TARGET, "get"),
        (TARGET.replace("90017", "90018"), "GET"),
        (TARGET.replace("&", "&&"), "GET"),
        (TARGET + "&", "GET"),
        ("//hooks" + TARGET[6:], "GET"),
        (TARGET.replace("order.new", "order%2Enew"), "GET"),
        ("http://shop.example" + TARGET, "GET"),
        ("", "GET"),
        ("\ud800", "GET"),
    ],
)
def test_another_request_does_not_pass(target: str, method: str) -> None:
    with pytest.raises(InvalidSignature, match="No signature fits"):
        verify(KEYS[:1], GOOD, target, NOW, method=method)


def test_nobody_passes_without_a_key() -> None:
    with pytest.raises(InvalidSignature):
        verify([], GOOD, TARGET, NOW)


@settings(deadline=None)
@given(
    st.fixed_dictionaries(
        {"webhook-id": st.text(), "webhook-timestamp": st.text() | st.just(str(NOW)), "webhook-signature": st.text()}
    ),
    st.text(),
)
def test_no_request_does_anything_but_pass_or_not(headers: dict[str, str], target: str) -> None:
    with pytest.raises(InvalidSignature):
        verify(KEYS[:1], headers, target, NOW)
