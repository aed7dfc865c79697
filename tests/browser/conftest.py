"""The system's Chromium, and a page on which nothing may go wrong unseen."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright

from tests.support.processes import Ombud, Ombuds

# Milliseconds that something may take to appear: generous, on a busy machine.
PATIENCE = 20_000
# Scripts of pages report here what the policy has blocked; the console says it, too.
_WATCH = "document.addEventListener('securitypolicyviolation', e => console.error('blocked', e.violatedDirective))"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser for the tests of a file."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass
class Watched:
    """A page of a site, and what went wrong on it."""

    page: Page
    site: str
    trouble: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def hear(self, message: ConsoleMessage) -> None:
        """Note what the console says."""
        if message.type in {"error", "warning"}:
            self.trouble.append(f"{message.type}: {message.text}")

    def asked(self, request: Request) -> None:
        """Note what was asked for, and whether it was asked elsewhere."""
        self.requests.append(request.url.removeprefix(self.site))
        if not request.url.startswith(self.site):
            self.trouble.append(f"a request to {request.url}")


@pytest.fixture
def demo(ombuds: Ombuds, tmp_path: Path) -> Ombud:
    """A demo at its first start."""
    return ombuds.start("demo", "--port", "0", "--data", str(tmp_path / "demo"))


def make_account(page: Page, demo: Ombud) -> None:
    """Open the link of the first start, and be in."""
    page.goto(demo.card["set_up"])
    page.get_by_label("Name").fill("Anna")
    page.get_by_label("Password").fill("correct horse battery")
    page.get_by_role("button", name="Make the account").click()
    page.wait_for_url(demo.card["panel"])


def watch(context: BrowserContext, site: str) -> Watched:
    """Return a page of a site on which trouble is noted: of the console, the policy, and requests elsewhere."""
    context.set_default_timeout(PATIENCE)
    context.add_init_script(_WATCH)
    made = Watched(context.new_page(), site)
    made.page.on("console", made.hear)
    made.page.on("pageerror", lambda error: made.trouble.append(str(error)))
    made.page.on("request", made.asked)
    return made


@pytest.fixture
def watched(chromium: Browser, demo: Ombud) -> Iterator[Watched]:
    """The panel with an owner logged in; the test fails if the console, the policy or a request spoke of trouble."""
    context = chromium.new_context(viewport={"width": 1440, "height": 1000}, locale="en-GB")
    made = watch(context, demo.card["panel"])
    make_account(made.page, demo)
    yield made
    context.close()
    assert made.trouble == []
