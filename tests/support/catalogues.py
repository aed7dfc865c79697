"""The catalogues of the panel's texts. `python -m tests.support.catalogues` brings them up to date; then translate.

The sources are in English, so only other languages have a catalogue.
"""

import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from ombud.web.error_words import texts as errors
from ombud.web.failure_words import texts
from ombud.web.words import ENGLISH, LANGUAGES
from tests.support.raised import PLACES, PLACES_OF_SHOP, sentences_of

SOURCES = Path(__file__).parent.parent.parent / "src" / "ombud"
WEB, SHOP = SOURCES / "web", SOURCES / "shop"
KEYWORDS = {"_": None, "say": None, "mark": None, "gettext": None, "ngettext": (1, 2), "count": (1, 2)}
METHODS = [("**/*.py", "python"), ("templates/**.html", "jinja2")]
OPTIONS = {"templates/**.html": {"trimmed": "true", "newstyle_gettext": "true", "silent": "false"}}


def extracted() -> Catalog:
    """Return every text that the pages of the panel and of the shop say."""
    catalog = Catalog(project="Ombud", charset="utf-8", fuzzy=False)
    found = [one for place in (WEB, SHOP) for one in extract_from_dir(place, METHODS, OPTIONS, KEYWORDS)]
    for _file, _line, message, _comments, _context in sorted(found, key=lambda one: (str(one[2]), one[0])):
        catalog.add(message)
    raised = (text for text in sentences_of(*PLACES, *PLACES_OF_SHOP) if "{}" not in text)
    for text in (*texts(), *errors(), *sorted(raised)):
        catalog.add(text)
    return catalog


def path_of(language: str) -> Path:
    """Return where a language's catalogue is."""
    return WEB / "locale" / language / "LC_MESSAGES" / "ombud.po"


def read(language: str) -> Catalog:
    """Return a language's catalogue as it is."""
    return read_po(io.BytesIO(path_of(language).read_bytes()), language)


def compiled(catalog: Catalog) -> bytes:
    """Return what programs read of a catalogue."""
    # The same texts give the same file.
    catalog.creation_date = catalog.revision_date = datetime(2026, 1, 1, tzinfo=UTC)
    out = io.BytesIO()
    write_mo(out, catalog)
    return out.getvalue()


def missing(catalog: Catalog, texts: Catalog) -> list[str]:
    """Return the texts that a catalogue does not translate, and those that nobody says any more."""
    lacking = [str(text.id) for text in texts if text.id and not _is_translated(catalog, text.id)]
    stale = [f"stale: {text.id}" for text in catalog if text.id and text.id not in texts]
    return lacking + stale


def _is_translated(catalog: Catalog, text: Any) -> bool:
    found = catalog.get(text)
    translated = found.string if found else ""
    return all(translated) if isinstance(translated, tuple) else bool(translated)


def main() -> None:
    """Bring every catalogue up to date and say what it lacks."""
    texts = extracted()
    for language in LANGUAGES:
        if language == ENGLISH:
            continue
        path = path_of(language)
        catalog = read(language) if path.is_file() else Catalog(language, charset="utf-8", fuzzy=False)
        catalog.update(texts, no_fuzzy_matching=True)
        catalog.obsolete.clear()
        with path.open("wb") as out:
            write_po(out, catalog, omit_header=True, sort_output=True, width=120, no_location=True)
        path.with_suffix(".mo").write_bytes(compiled(catalog))
        print(f"{language}: {len(missing(catalog, texts))} to translate in {path}")


if __name__ == "__main__":
    main()
