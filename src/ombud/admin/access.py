"""Who asks, and what that one may do and see. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from ombud.errors import Forbidden, InvalidInput

# A caller of this shop sees every shop.
EVERY_SHOP = 0


class Scope(StrEnum):
    """What a bearer key may do."""

    EVENTS = "events:write"
    ENDPOINTS = "endpoints:write"
    READ = "read"
    PEOPLE = "people:write"


class Role(StrEnum):
    """What a person may do: look; change endpoints and deliveries too; or people and keys as well."""

    READER = "reader"
    EDITOR = "editor"
    OWNER = "owner"

    def includes(self, other: "Role") -> bool:
        """Return whether this role may do whatever the other one may."""
        order = list(Role)
        return order.index(self) >= order.index(other)

    @classmethod
    def read(cls, text: str) -> "Role":
        """Return the role of this name; raises InvalidInput."""
        try:
            return cls(text)
        except ValueError:
            raise InvalidInput("role", f"Choose one of: {', '.join(cls)}.") from None


# What a key may do unless somebody says otherwise: not who else may.
ALL_SCOPES = (Scope.EVENTS, Scope.ENDPOINTS, Scope.READ)


@dataclass(frozen=True)
class Caller:
    """A key or a person. `shop_id`: the only shop it sees, or EVERY_SHOP. `name` is what the audit log writes."""

    name: str
    shop_id: int = EVERY_SHOP
    scopes: frozenset[Scope] = frozenset()

    def sees(self, shop_id: int) -> bool:
        """Return whether rows of this shop are this caller's to see."""
        return self.shop_id in (EVERY_SHOP, shop_id)

    def shop_for(self, shop_id: int | None, default: int) -> int:
        """Return the shop that a new row belongs to: the named one, else the caller's, else the default.

        Raises Forbidden for a shop that is not the caller's.
        """
        if shop_id is None:
            return self.shop_id or default
        if not self.sees(shop_id):
            raise Forbidden(f"shop_id: this key is for shop {self.shop_id} alone.")
        return shop_id


# What a verb of the command line does, and what the demo does by itself.
OPERATOR = Caller("operator", EVERY_SHOP, frozenset(Scope))


def read_scopes(text: str | Sequence[str]) -> tuple[Scope, ...]:
    """Return the scopes of a list, or of a text with commas or blanks, each once and in order; raises InvalidInput."""
    words = text.replace(",", " ").split() if isinstance(text, str) else text
    if not words or not set(words) <= set(Scope):
        raise InvalidInput("scopes", f"Choose at least one of: {', '.join(Scope)}.")
    return tuple(scope for scope in Scope if scope in words)
