"""Where the deliveries of an endpoint go, ready to be asked: made of its facts once, as long as they stay the same."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ombud.mailbox.ids import format_id
from ombud.sender.request import Prepared, prepare, signature_lines
from ombud.sender.transport_tls import check_authority
from ombud.sender.vault import Vault
from ombud.signing import Signer, read_secret

# Lanes whose destinations are kept.
KEPT = 20_000


@dataclass(frozen=True, slots=True)
class Destination:
    """What a try needs to know of an endpoint. `only_200`: no other status acknowledges; `schedule`: of retries."""

    prepared: Prepared
    signer: Signer | None = None
    authority: str | None = None
    only_200: bool = False
    schedule: str = ""

    def request(self, event_id: int, event_type: str, subject: str, now: int) -> bytes:
        """Return the request for an event as it would be made at `now` (seconds since 1970); raises InvalidInput."""
        target = self.prepared.target_of(event_type, subject)
        if self.signer is None:
            return self.prepared.request(target)
        # The same on every retry, so that a receiver can tell a repeat.
        message_id = format_id("evt", event_id)
        return self.prepared.request(
            target, signature_lines(message_id, now, self.signer.sign(message_id, now, target))
        )


class Destinations:
    """Reads destinations from facts: the columns of `destination_facts`, or those of them that are there.

    `url`; `headers` and `secrets`, encrypted as the vault has them, or as they are where there is no vault: pairs of
    name and value, and `whsec_…`, the newest first (without one nothing is signed); `strict` (the vendor's headers and
    no others), `only_200`, `authority` (PEM: the only one whose certificates hold), and `schedule` (of retries, by
    name).
    """

    def __init__(self, vault: Vault | None = None) -> None:
        self._vault = vault
        # By lane, with the facts that they were made of.
        self._kept: dict[int | None, tuple[Mapping[str, Any], Destination]] = {}

    def read(self, facts: Mapping[str, Any]) -> Destination:
        """Return the destination; raises InvalidInput for a row that another program has written, and KeyMissing."""
        lane_id = facts.get("lane_id")
        kept = self._kept.get(lane_id)
        # Mostly they are the very same ones: memory.py.
        if kept is None or not (kept[0] is facts or kept[0] == facts):
            if len(self._kept) >= KEPT:
                self._kept.clear()
            kept = self._kept[lane_id] = facts, self._read(facts)
        return kept[1]

    def _read(self, facts: Mapping[str, Any]) -> Destination:
        headers, secrets, strict = facts.get("headers"), facts.get("secrets"), facts.get("strict")
        if self._vault is not None:
            headers = self._vault.headers(facts["endpoint_id"], facts["headers"])
            secrets = self._vault.secrets(facts["endpoint_id"], facts["secrets"])
        prepared = prepare(facts["url"], () if strict else headers or ())
        signer = None if strict or not secrets else Signer(map(read_secret, secrets))
        authority = facts.get("authority") or None
        if authority is not None:
            check_authority(authority)
        return Destination(prepared, signer, authority, bool(facts.get("only_200")), facts.get("schedule") or "")
