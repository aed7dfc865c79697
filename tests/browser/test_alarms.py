"""Settings → Alarms in Chromium: a channel is added, tried and changed, in both languages."""

from tests.browser.conftest import Watched
from tests.support.endpoint import Endpoint


def test_a_channel_is_added_and_tried(watched: Watched, endpoint: Endpoint) -> None:
    page = watched.page
    page.get_by_role("link", name="Alarms").click()
    page.get_by_role("link", name="Add a channel").click()
    page.get_by_role("radio", name="Chat").check()
    page.get_by_role("textbox", name="Address").fill(endpoint.url)
    page.get_by_label("Name", exact=True).fill("The team")
    page.get_by_label("From", exact=True).fill("22:00")
    page.get_by_label("To", exact=True).fill("07:00")
    page.get_by_role("button", name="Add it").click()
    page.get_by_role("button", name="Test").click()
    page.get_by_text("The test was sent to").wait_for()
    assert b"A test" in endpoint.next().raw

    page.get_by_role("button", name="Svenska").click()
    page.get_by_role("heading", name="Inställningar → Larm").wait_for()
    page.get_by_text("Inget är fel.").wait_for()
    page.get_by_role("link", name="Ändra: The team").click()
    page.get_by_label("Disken är nästan full").uncheck()
    page.get_by_role("button", name="Spara").click()
    assert page.get_by_text("En mottagare fungerar inte").count() == 1
    page.get_by_role("link", name="Ändra: The team").click()
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Ta bort kanalen").click()
    page.get_by_text("Ingen får veta något än").wait_for()
