"""What is wrong is said in the reader's language: each error that a page can show has its sentence."""

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

import ombud
from ombud.errors import InvalidInput
from ombud.sender.url import check_endpoint_url
from ombud.shop.error_words import SENTENCES as OF_SHOP
from ombud.shop.error_words import say_shop_error
from ombud.web.error_words import SENTENCES, say_error
from ombud.web.words import ENGLISH, LANGUAGES, SWEDISH, Words, words_in

OTHERS = [language for language in LANGUAGES if language != ENGLISH]
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
    "It is a whole number from 0 to 10.",
    "It holds a private key, which is not needed here. Give the certificate alone.",
}
# What pages say of others is the words of their class.
KINDS = {"InvalidInput", "Conflict", "NotFound", "Forbidden", "Outdated", "Refused", "TooLarge"}


def sentences_of(places: tuple[str, ...]) -> Iterator[str]:
    """Return the sentences with which modules raise errors; `{}` is a place that is filled in."""
    for place in places:
        path = SOURCES / place
        for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
            if str(file.relative_to(SOURCES)) not in NOT_SHOWN:
                yield from sentences_in(file.read_text())


def sentences_in(source: str) -> Iterator[str]:
    tree = ast.parse(source)
    names = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in KINDS and node.args:
            yield from said_by(node.args[-1], names)


def said_by(node: ast.expr, names: Mapping[str, ast.expr]) -> Iterator[str]:
    match node:
        case ast.Constant(str() as text):
            yield re.sub(r"\{\w*\}", "{}", text)
        case ast.JoinedStr(values):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in values)
        case ast.Name(name) if name in names:
            yield from said_by(names[name], names)
        case ast.IfExp(_, one, other):
            yield from said_by(one, names)
            yield from said_by(other, names)
        case ast.Call(ast.Attribute(text, "format")) | ast.Call(ast.Name("mark"), [text]):
            yield from said_by(text, names)
        case _:
            return  # another error's words, or chosen elsewhere


@pytest.mark.parametrize(
    ("places", "say"), [(PLACES, say_error), (PLACES_OF_SHOP, say_shop_error)], ids=["panel", "shop"]
)
def test_no_error_that_a_page_shows_lacks_its_sentence(
    places: tuple[str, ...], say: Callable[[str, Words], str]
) -> None:
    found = {text.replace("{}", "10") for text in sentences_of(places)} - ALONE
    assert len(found) > 5
    for language in OTHERS:
        words = words_in(language)
        assert [text for text in sorted(found) if say(text, words) == text] == []


def test_a_sentence_that_is_raised_is_found() -> None:
    source = (
        "_A = mark('No {}.')\nraise Conflict(_A.format(1) if x else f'It has {n} of {most}.')\nraise ValueError('no')"
    )
    assert list(sentences_in(source)) == ["No {}.", "It has {} of {}."]


@pytest.mark.parametrize("language", OTHERS)
def test_every_sentence_is_said_in_another_language(language: str) -> None:
    words = words_in(language)
    for sentences, say in ((SENTENCES, say_error), (OF_SHOP, say_shop_error)):
        for sentence in sentences.texts:
            filled = re.sub(r"\{(\w+)\}", r"<\1>", sentence)
            said = say(filled, words)
            assert said != filled, filled
            assert sorted(re.findall(r"<\w+>", said)) == sorted(re.findall(r"<\w+>", filled))
            assert say(filled, words_in(ENGLISH)) == filled


@pytest.mark.parametrize("url", ["ftp://x", "https://a b/", "https://x:99999/", "https://1.2.3.999/", "https://x/#y"])
def test_a_wrong_address_is_said_in_swedish(url: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        check_endpoint_url(url)
    said = say_error(str(raised.value), words_in(SWEDISH))
    assert said != str(raised.value)


def test_what_nobody_has_translated_stays_as_it_is() -> None:
    assert say_error("Something of {nobody}.", words_in(SWEDISH)) == "Something of {nobody}."
    role = "This is for people with the role editor. Ask an owner of this installation."
    assert "rollen redigerare" in say_error(role, words_in(SWEDISH))
