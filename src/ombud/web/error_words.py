"""What is wrong in the reader's language: errors are English where they are raised, and have no reader there.

`{…}` stands for what an error fills in. `tests/web/test_error_words.py` finds each error that a page can show.
"""

from ombud.errors import Forbidden, KeyMissing, Outdated, StorageUnavailable, TooLarge, TooManyLogins
from ombud.web.failure_words import pattern_of, say_reason
from ombud.web.words import Words, mark

# Of people, keys and who may do what.
_PEOPLE = (
    mark("A name has 1 to 100 characters, and no control characters."),
    mark("There is somebody named {name} already. Choose another name."),
    mark("There is no such person, or no longer."),
    mark("This is the last owner of every shop. Make somebody else an owner first."),
    mark("This link was used, or is older than a day. Ask an owner for another, or run: ombud people link"),
    mark("A password has {least} to {most} characters; 15 or more are good."),
    mark("A key's name has 1 to 100 characters, none of them a control character."),
    mark("{scope} is for keys of every shop: people and keys belong to all."),
    mark("There is a key named {name} already. Choose another name."),
    mark("There is no key named {name}."),
    mark("This is for people of every shop. Ask an owner of this installation."),
    mark("This is for people with the role {role}. Ask an owner of this installation."),
    mark("It is an e-mail address: anna@example.com."),
    mark("Nobody is invited by the address {address}. Ask an owner of this installation."),
    mark("The provider did not let you in. Log in again, or ask whoever runs it."),
    mark("The provider does not say that your e-mail address is verified. Verify it there, then log in."),
    mark("The provider of the log-in does not answer as it should. Try again in a minute."),
    mark("The provider's answer cannot be believed: {why}. Log in again; if it stays so, ask whoever runs Ombud."),
    mark("shop_id: this key is for shop {shop} alone."),
)
# Of endpoints: their address, headers and limits, and what is done with one.
_ENDPOINTS = (
    mark("The URL has a fragment (#…), which is never sent. Remove it."),
    mark("The URL has a user name or password. Put a secret into the path or the query instead."),
    mark("The URL must start with https:// or http://."),
    mark("This is not a URL. It looks like https://example.com/webhooks."),
    mark("The URL has a space, a control character or a backslash. Percent-encode or remove it."),
    mark("The URL has {size} characters; {most} is the most."),
    mark("Port {port} does not exist: ports go from 1 to {most}."),
    mark("The path or query has a character that must be percent-encoded, such as %20."),
    mark("The query already has {name}, which the sender adds itself. Remove it there."),
    mark("{text} is not an IPv6 address."),
    mark("{text} is not a host name."),
    mark("{text} is not a host name: {error}."),
    mark("{text} is neither a host name nor an address like 192.0.2.1."),
    mark("A header's name is 1 to {most} of the characters 0-9 A-Z a-z ! # $ % & ' * + - . ^ _ ` | ~"),
    mark("The header {name} is set by the sender, or means something on the way. Use another."),
    mark("The header {name} is there twice."),
    mark("The headers have {size} characters together; {most} is the most."),
    mark("The value of {name} is 1 to {most} printable ASCII characters, without blanks at the ends."),
    mark("There are {count} headers; {most} is the most."),
    mark("The headers as they are stored are none. Enter them again."),
    mark("The endpoint's {field} cannot be read: {error}. Enter it again."),
    mark("It has at most {most} characters."),
    mark("It is a whole number from 1 to {most}, or nothing."),
    mark("It is empty, or one of: {choices}."),
    mark("The endpoint is disabled. Enable it first."),
    mark("The endpoint is paused. Resume it first."),
    mark("The endpoint was sent {most} tests within a minute, which is the most. Wait."),
    mark("The endpoint {id} is not deleted."),
    mark("This shop has {most} endpoints, which is the most. Delete one first."),
    mark("There is no endpoint {id}."),
    mark("There is no delivery {id}."),
    mark("Deliveries that wait are sent anyway. Choose those that failed, were skipped or are done."),
    mark("There is no such replay."),
    mark("{text} is neither a status like 503 nor a class like 5xx."),
    mark("{text} is not the id of a delivery."),
)
# Of alarms.
_ALARMS = (
    mark("It has at most {most} characters, none of them a control character."),
    mark("Choose among: {choices}."),
    mark("There are {most} alarm channels, which is the most. Delete one first."),
    mark("There is no alarm channel {id}."),
)
# Of the receiver's side.
_INBOX = (
    mark("It is not held. What was given up can be tried again."),
    mark("It is held. Release it, or leave it out."),
    mark("It still waits, and is tried anyway."),
    mark("It has ended, so there is nothing to leave out."),
    mark("It is due this moment, and may be running. Look again when it has ended."),
    mark("Nothing can be read for this webhook, so there is nothing to do again or to leave out."),
    mark("There is no arrival {id}."),
    mark("There is no run {id}."),
    mark("There is no shop {id}."),
    mark("Shop {name} has one token alone. `ombud shops rotate` gives it another beside it."),
    mark(
        "This shop's token is OMBUD_TOKEN of the environment. Change it there; the old one stays good until the next."
    ),
)
# Of forms and addresses.
_FORMS = (
    mark("The form cannot be read. Open its page again."),
    mark("The form or the address cannot be read. Open its page again."),
    mark("The body has more than {most} bytes. Send less at once."),
    mark("The connection ended before the body did."),
    mark("Choose one of: {choices}."),
    mark("Choose at least one of: {choices}."),
    mark("It is one of: {choices}."),
    mark("It is a whole number from {least} to {most}."),
    mark("It has a NUL character, or half a character: a surrogate of UTF-16 alone."),
    mark("{text} is not one of: {choices}."),
    mark("{text} is not a time of RFC 3339: 2026-11-02T08:14:05Z."),
    mark("{text} is not an id of this kind: it looks like {id}."),
)
# Errors that say what their class does.
_CLASSES = (Forbidden, KeyMissing, Outdated, StorageUnavailable, TooLarge, TooManyLogins)


class Sentences:
    """What errors say, with places for what they fill in."""

    def __init__(self, *texts: str) -> None:
        self.texts = texts
        # Those that say most come first: `{text} is not a host name: {error}.` before the same without its end.
        placed = sorted((text for text in texts if "{" in text), key=len, reverse=True)
        self._patterns = [(pattern_of(text), text) for text in placed]

    def say(self, text: str, words: Words) -> str | None:
        """Return what an error says in a language; None when it is none of these."""
        if (said := words.say(text)) != text:
            return said
        for pattern, sentence in self._patterns:
            if found := pattern.fullmatch(text):
                # What is filled in may be a word of ours, too: the name of a role.
                return words.say(sentence).format(**{name: words.say(text) for name, text in found.groupdict().items()})
        return None


SENTENCES = Sentences(*_PEOPLE, *_ENDPOINTS, *_ALARMS, *_INBOX, *_FORMS)


def texts() -> list[str]:
    """Return what classes of errors say by themselves, for the catalogues."""
    return [str(one()) for one in _CLASSES]


def say_error(text: str, words: Words) -> str:
    """Return what an error says in the reader's language; what nobody has translated stays as it is."""
    return SENTENCES.say(text, words) or say_reason(text, words)
