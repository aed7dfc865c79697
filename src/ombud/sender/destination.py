"""The facts of an endpoint as a try reads them: from the columns of `destination_facts` to the words of Deliverer."""

from collections.abc import Mapping
from typing import Any

from ombud.sender.vault import Vault


def destination_of(facts: Mapping[str, Any], vault: Vault) -> dict[str, Any]:
    """Return the facts with headers as pairs and secrets as a sequence.

    Raises InvalidInput for a row that another program has written, and KeyMissing.
    """
    endpoint_id = facts["endpoint_id"]
    headers, secrets = vault.headers(endpoint_id, facts["headers"]), vault.secrets(endpoint_id, facts["secrets"])
    return {**facts, "headers": headers, "secrets": secrets}
