"""What errors say, read where they are raised: sources are asked, so no list of them can be forgotten."""

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import ombud

SOURCES = Path(ombud.__file__).parent
# Whose errors pages show, and of which modules none does: programs and commands alone meet them.
PLACES = ("admin", "sender", "receiver", "web", "mailbox/ids.py", "db/texts.py")
PLACES_OF_SHOP = ("shop/forms.py", "shop/pages.py", "shop/trouble_pages.py")
NOT_SHOWN = {
    *("admin/edits.py", "admin/events.py", "admin/explain.py", "admin/grants.py"),
    *("sender/backfill.py", "sender/handed_in.py", "sender/outbox.py", "sender/transport_tls.py"),
    *("receiver/gathering.py", "receiver/shop_changes.py", "receiver/shops.py", "receiver/sources.py"),
    *("web/event_lines.py", "web/intake.py", "web/problems.py"),
}
# What only the API takes, in modules that pages use, too.
ALONE = {
    "It is a whole number from 0 to {}.",
    "It holds a private key, which is not needed here. Give the certificate alone.",
}
# What pages say of others is the words of their class.
KINDS = {"InvalidInput", "Conflict", "NotFound", "Forbidden", "Outdated", "Refused", "TooLarge"}


def sentences_of(*places: str) -> set[str]:
    """Return the sentences with which modules raise errors that pages show; `{}` is a place that is filled in."""
    found = set[str]()
    for place in places:
        path = SOURCES / place
        for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
            if str(file.relative_to(SOURCES)) not in NOT_SHOWN:
                found.update(sentences_in(_tree(file)))
    return found - ALONE


def sentences_in(tree: ast.Module) -> Iterator[str]:
    """Return the sentences of the errors that are raised in a module."""
    names: dict[str, list[ast.expr]] = {}
    for node in tree.body:
        match node:
            case ast.Assign([ast.Name(name)], value):
                names[name] = [value]
            case ast.FunctionDef(name):
                names[name] = [one.value for one in ast.walk(node) if isinstance(one, ast.Return) and one.value]
    for one in ast.walk(tree):
        if isinstance(one, ast.Call) and isinstance(one.func, ast.Name) and one.func.id in KINDS and one.args:
            yield from _said_by(one.args[-1], names)


def strings_of(*places: str) -> set[str]:
    """Return every text that stands in modules; `{}` is a place that is filled in."""
    files = [file for place in places for file in (SOURCES / place).rglob("*.py") if file.name != "error_words.py"]
    nodes = (node for file in files for node in ast.walk(_tree(file)))
    return {text for node in nodes if isinstance(node, ast.expr) for text in _text_of(node)}


@cache
def _tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text())


def _said_by(node: ast.expr, names: Mapping[str, list[ast.expr]]) -> Iterator[str]:
    match node:
        case ast.Name(name) | ast.Call(ast.Name(name)) if name in names:
            for one in names[name]:
                yield from _said_by(one, names)
        case ast.IfExp(_, one, other):
            yield from _said_by(one, names)
            yield from _said_by(other, names)
        case ast.Call(ast.Attribute(text, "format")) | ast.Call(ast.Name("mark"), [text]):
            yield from _said_by(text, names)
        case _:
            # Else it is another error's words, or chosen elsewhere.
            yield from _text_of(node)


def _text_of(node: ast.expr) -> Iterator[str]:
    match node:
        case ast.Constant(str() as text):
            yield re.sub(r"\{\w*\}", "{}", text)
        case ast.JoinedStr(values):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in values)
