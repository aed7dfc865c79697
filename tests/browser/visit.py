"""Somebody at the panel, in their language."""

from dataclasses import dataclass

from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from ombud.web.words import Words
from tests.browser.conftest import Watched
from tests.support.full_house import FullHouse


@dataclass
class Visit:
    """Somebody at the panel, who reads it in their language."""

    watched: Watched
    words: Words
    house: FullHouse

    @property
    def page(self) -> Page:
        return self.watched.page

    def go(self, path: str) -> None:
        self.page.goto(f"{self.watched.site}{path}")

    def open_first(self, path: str) -> None:
        """Open the first row of a list."""
        self.go(path)
        self.page.locator("a.row").first.click()

    def button(self, words: str) -> Locator:
        return self.page.get_by_role("button", name=self.words.say(words))

    def press(self, words: str, *then: str) -> None:
        """Press a button; what the page says then."""
        self.button(words).first.click()
        for one in then:
            self.sees(one)

    def sees(self, words: str) -> None:
        expect(self.page.get_by_text(self.words.say(words)).first).to_be_visible()

    def field(self, words: str) -> Locator:
        return self.page.get_by_label(self.words.say(words), exact=True)

    def copy(self, words: str) -> str:
        """Press the button that copies what is shown under these words; returns what somebody would paste."""
        box = self.page.locator(".copied").filter(has=self.field(words))
        box.get_by_role("button", name=self.words.say("Copy"), exact=True).click()
        expect(box.get_by_role("button", name=self.words.say("Copied"), exact=True)).to_be_visible()
        return str(self.page.evaluate("navigator.clipboard.readText()"))


def context_in(chromium: Browser, language: str) -> BrowserContext:
    """Return a browser's window of somebody who reads a language."""
    return chromium.new_context(locale=language, extra_http_headers={"Accept-Language": language})
