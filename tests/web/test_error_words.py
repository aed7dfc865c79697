"""What is wrong is said in the reader's language: each error that a page can show has its sentence."""

import ast
import re
from collections.abc import Callable

import pytest

from ombud.errors import InvalidInput
from ombud.sender.url import check_endpoint_url
from ombud.shop.error_words import SENTENCES as OF_SHOP
from ombud.shop.error_words import say_shop_error
from ombud.web.error_words import SENTENCES, say_error
from ombud.web.failure_words import pattern_of
from ombud.web.words import ENGLISH, LANGUAGES, SWEDISH, Words, words_in
from tests.support.raised import PLACES, PLACES_OF_SHOP, sentences_in, sentences_of, strings_of

OTHERS = [language for language in LANGUAGES if language != ENGLISH]


@pytest.mark.parametrize(
    ("places", "say"), [(PLACES, say_error), (PLACES_OF_SHOP, say_shop_error)], ids=["panel", "shop"]
)
def test_no_error_that_a_page_shows_lacks_its_sentence(
    places: tuple[str, ...], say: Callable[[str, Words], str]
) -> None:
    found = {text.replace("{}", "10") for text in sentences_of(*places)}
    assert len(found) > 5
    for language in OTHERS:
        words = words_in(language)
        assert [text for text in sorted(found) if say(text, words) == text] == []


def test_a_sentence_that_is_raised_is_found() -> None:
    source = (
        "_A = mark('No {}.')\nraise Conflict(_A.format(1) if x else f'It has {n} of {most}.')\nraise ValueError('no')\n"
        "def why(x):\n  return 'So.' if x else 'Or so.'\nraise InvalidInput('x', why(1))"
    )
    assert list(sentences_in(ast.parse(source))) == ["No {}.", "It has {} of {}.", "So.", "Or so."]


def test_no_sentence_is_kept_that_nobody_says_any_more() -> None:
    said = [
        text.replace("{}", "10") for text in strings_of("admin", "db", "mailbox", "receiver", "sender", "shop", "web")
    ]
    for sentence in (*SENTENCES.texts, *OF_SHOP.texts):
        assert any(pattern_of(sentence).fullmatch(text) for text in said), sentence


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
