"""The panel's texts in every language: none is missing, none is stale, none is bare in a template."""

import gettext
import re
from pathlib import Path
from typing import Any

import httpx2
import pytest

import ombud
from ombud.admin.redacted import shown_note
from ombud.receiver.arrival import read_query
from ombud.sender.answer import Answer
from ombud.sender.outcome import outcome_of
from ombud.sender.verdict import DeliveryFailed, Failure
from ombud.web.app import SenderApp
from ombud.web.failure_words import say_note, say_reason
from ombud.web.words import COOKIE, ENGLISH, LANGUAGES, SWEDISH, exact, words_in
from tests.support.catalogues import compiled, extracted, missing, path_of, read
from tests.support.people import log_in

OTHERS = [language for language in LANGUAGES if language != ENGLISH]
TEMPLATES = sorted(Path(ombud.__file__).parent.glob("*/templates/*.html"))
# What is the same in every language.
SAME = re.compile(
    r"\b(Ombud|UTC|GET|curl|CSV|NDJSON|HTTPie|Python|Ctrl|Enter|K|j|k|r|p95|5xx)\b"
    r'|aria-[a-z]+="[^"]*"'
    r"|YOUR_\w+|https://example.com/\w+|X-Key: value|order/\d+"
)
_PLACE = re.compile(r"%\(\w+\)[sd]|\{\w+\}")


@pytest.mark.parametrize("language", OTHERS)
def test_every_text_is_translated_and_none_is_stale(language: str) -> None:
    texts = extracted()
    catalog = read(language)
    assert len(texts) > 200
    assert missing(catalog, texts) == []
    catalog.delete("Log in")
    catalog.add("Nobody says this", "Det här säger ingen")
    assert missing(catalog, texts) == ["Log in", "stale: Nobody says this"]


def pairs_of(language: str) -> list[tuple[str, str]]:
    """Return each text and what it is in a language; of texts with a number both forms."""
    pairs = []
    for text in read(language):
        source, said = (as_tuple(part) for part in (text.id, text.string))
        pairs += [pair for pair in zip(source, said, strict=True) if pair[0]]
    return pairs


def as_tuple(part: Any) -> tuple[str, ...]:
    return (part,) if isinstance(part, str) else tuple(part)


@pytest.mark.parametrize("language", OTHERS)
def test_what_programs_read_is_what_people_wrote(language: str) -> None:
    with path_of(language).with_suffix(".mo").open("rb") as file:
        made = gettext.GNUTranslations(file)
    for text in read(language):
        ids = as_tuple(text.id)
        if len(ids) > 1:
            assert tuple(made.ngettext(ids[0], ids[1], number) for number in (1, 2)) == text.string
        elif ids[0]:
            assert made.gettext(ids[0]) == text.string
    assert compiled(read(language))


@pytest.mark.parametrize("language", OTHERS)
def test_a_translation_has_the_places_of_its_text(language: str) -> None:
    for source, said in pairs_of(language):
        assert sorted(_PLACE.findall(source)) == sorted(_PLACE.findall(said)), source


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: f"{path.parent.parent.name}/{path.name}")
def test_no_template_has_a_bare_text(template: Path) -> None:
    assert bare_texts(template.read_text()) == []


def test_a_bare_text_is_noticed() -> None:
    assert bare_texts('<p>{{ _("Fine") }} but not <b class="fine">this</b></p>') == ["but not", "this"]
    assert bare_texts('<input placeholder="Search">') == ["Search"]


def bare_texts(template: str) -> list[str]:
    """Return what a template says in one language alone."""
    text = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", "", template, flags=re.DOTALL)
    text = re.sub(r"<(code|pre)\b.*?</\1>", "", text, flags=re.DOTALL)
    attributes = re.findall(r'\b(?:placeholder|aria-label|title|data-confirm)="([^"]*)"', text)
    pieces = [piece.strip() for piece in re.split(r"<[^>]*>", text)] + attributes
    return [piece for piece in pieces if re.search(r"[A-Za-z]{2,}", SAME.sub("", piece))]


def test_reasons_are_said_in_the_readers_language() -> None:
    swedish, english = words_in(SWEDISH), words_in(ENGLISH)
    for status in (301, 401, 404, 410, 429, 500, 503, 299, 700):
        outcome = outcome_of(Answer(status), only_200=True)
        text = str(outcome.reason)
        assert say_reason(text, english) == text
        assert say_reason(text, swedish).startswith(f"Svarade {status}: ")
    said = {"host": "shop.example", "port": 8443, "address": "192.0.2.7", "place": "shop.example is at 10.0.0.7,"}
    for failure in Failure:
        text = str(DeliveryFailed(failure, **said, detail="so it is"))
        assert say_reason(text, english) == text
        if failure is not Failure.URL_UNUSABLE:
            assert say_reason(text, swedish) != text, text
    assert say_reason("endpoint deleted", swedish) == "endpoint deleted"


def test_what_is_wrong_with_a_webhook_is_said_in_the_readers_language() -> None:
    swedish = words_in("sv")
    for query in (b"%ff", b"event_type=a&event_type=b", b"x=1", b"event_type=order.refunded", b"event_type=order.new"):
        note = shown_note(read_query(query).note)
        assert note is not None
        assert say_note(note, words_in("en")) == note
        assert say_note(note, swedish) != note
    assert say_note("an event type that is not known here (order.refunded)", swedish).endswith(" (order.refunded)")
    assert say_note("something else", swedish) == "something else"


def test_an_exact_time_is_utc() -> None:
    for text in ("2026-11-02T09:14:05.123+01:00", "2026-11-02T08:14:05.123Z"):
        assert exact(text) == "2026-11-02 08:14:05.123 UTC"


async def test_a_reader_gets_their_language(app: SenderApp) -> None:
    transport = httpx2.ASGITransport(app, client=("127.0.0.1", 1))
    base = "http://127.0.0.1:8700"
    async with httpx2.AsyncClient(transport=transport, base_url=base, headers={"Origin": base}) as client:
        client.cookies.update(log_in(app.people))
        for accepted, lang in [("sv-SE,sv;q=0.9,en;q=0.8", "sv"), ("en-GB", "en"), ("de,fr;q=0.5", "en"), ("", "en")]:
            page = await client.get("/people", headers={"Accept-Language": accepted})
            assert f'<html lang="{lang}">' in page.text
            assert page.headers["Vary"] == "Cookie, Accept-Language"
        chosen = await client.post("/language", data={"language": "sv", "next": "/people"})
        assert (chosen.status_code, chosen.headers["Location"]) == (303, "/people")
        assert f"{COOKIE}=sv" in chosen.headers["Set-Cookie"]
        assert "<h1>Personer</h1>" in (await client.get("/people")).text
        other = await client.post("/language", data={"language": "xx", "next": "//evil.example.test"})
        assert other.headers["Location"] == "/"
        assert "Set-Cookie" not in other.headers
