"""Sessions: a browser that a person was let in with. Revoked here, so a copy of the cookie is worth nothing then."""

from dataclasses import dataclass

from ombud.admin.access import Caller, Role
from ombud.admin.audit_log import record
from ombud.admin.events import Document, rfc3339
from ombud.admin.links import token_hash
from ombud.admin.people import Person, lock_proved
from ombud.db.operation import Operation, Row
from ombud.db.queries import read_queries

sql = read_queries("ombud.admin", "people.sql")

# Microseconds without a request, and in all, after which somebody logs in again (OWASP ASVS 5.0, 7.3).
IDLE = 30 * 60 * 1_000_000
LIFE = 12 * 3_600 * 1_000_000
# Microseconds that a browser is known by.
KNOWN = 90 * 24 * 3_600 * 1_000_000
# Sessions of one person that a page shows; characters of what a browser calls itself.
MOST_SESSIONS = 50
LONGEST_AGENT = 200


@dataclass(frozen=True)
class Session:
    """Who is logged in. Times are UTC microseconds; `hash` is all that is stored of its token."""

    hash: bytes
    person_id: int
    name: str
    role: Role
    shop_id: int
    created_at: int
    seen_at: int
    ended_at: int | None

    def is_over(self, now: int, seen_at: int = 0) -> bool:
        """Return whether it opens nothing any more; `seen_at`: when it was last seen, if that was later."""
        return self.ended_at is not None or now > self.created_at + LIFE or now > max(self.seen_at, seen_at) + IDLE

    @property
    def caller(self) -> Caller:
        """Return who asks."""
        return Caller(self.name, self.shop_id)


def begin_session(person: Person, token: str, old: bytes, browser: tuple[str, str], now: int) -> Operation[None]:
    """Let a browser in: always with a new token; the session it came with (its hash) ends.

    `browser` is its address and what it calls itself. Raises as `lock_proved` does.
    """
    yield from lock_proved(person)
    yield sql["end_session"], {"hash": old, "now": now}
    yield sql["delete_old_sessions"], {"person_id": person.id, "before": now - KNOWN}
    values = {"hash": token_hash(token), "person_id": person.id, "now": now}
    yield sql["insert_session"], values | {"address": browser[0], "agent": browser[1][:LONGEST_AGENT]}
    yield from record(person.caller, "person.login", person.name, now, detail=browser[0])


def find_session(token: str) -> Operation[Session | None]:
    """Return the session of a token, also one that is over, or None."""
    rows = yield sql["session_with_person"], {"hash": token_hash(token)}
    return _session(rows[0]) if rows else None


def see_session(session_hash: bytes, seen_at: int) -> Operation[None]:
    """Note that it was used."""
    yield sql["see_session"], {"hash": session_hash, "seen_at": seen_at}


def end_session(session_hash: bytes, now: int) -> Operation[None]:
    """Log out."""
    yield sql["end_session"], {"hash": session_hash, "now": now}


def end_others(session: Session, now: int) -> Operation[None]:
    """Log this person out everywhere else."""
    yield sql["end_sessions_of_person"], {"person_id": session.person_id, "but": session.hash, "now": now}
    yield from record(session.caller, "person.end_sessions", session.name, now)


def list_sessions(session: Session, now: int) -> Operation[list[Document]]:
    """Return where this person is logged in, newest first."""
    values = {"person_id": session.person_id, "since": now - LIFE, "most": MOST_SESSIONS}
    rows = yield sql["sessions_of_person"], values
    return [
        {
            "created_at": rfc3339(row["created_at"]),
            "seen_at": rfc3339(row["seen_at"]),
            "address": row["address"],
            "agent": row["agent"],
            "this": row["hash"] == session.hash,
        }
        for row in rows
        if now <= row["seen_at"] + IDLE or row["hash"] == session.hash
    ]


def _session(row: Row) -> Session:
    return Session(
        bytes(row["hash"]),
        row["person_id"],
        row["name"],
        Role(row["role"]),
        row["shop_id"],
        row["created_at"],
        row["seen_at"],
        row["ended_at"],
    )
