"""Endpoints as documents."""

from ombud.admin.events import Document, rfc3339
from ombud.mailbox.ids import format_id
from ombud.sender.endpoints import Endpoint


def endpoint_document(endpoint: Endpoint) -> Document:
    """Return an endpoint in the shape of the REST API. Its URL is whole: who may read it may also change it."""
    return {
        "id": format_id("ep", endpoint.id),
        "shop_id": endpoint.shop_id,
        "url": endpoint.edit.url,
        "event_types": list(endpoint.edit.event_types),
        "description": endpoint.edit.description,
        "enabled": endpoint.edit.enabled,
        "created_at": rfc3339(endpoint.created_at),
        "updated_at": rfc3339(endpoint.updated_at),
    }
