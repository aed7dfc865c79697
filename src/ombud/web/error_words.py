"""What is wrong in the reader's language: errors are English where they are raised, and have no reader there.

Here are those that fill something in: `{…}` stands for it. What is always the same the catalogues take from where it is
raised (tests/support/raised.py). `tests/web/test_error_words.py` finds each error that a page can show.
"""

from ombud.errors import Forbidden, KeyMissing, Outdated, StorageUnavailable, TooLarge, TooManyLogins
from ombud.web.failure_words import pattern_of, say_reason
from ombud.web.words import Words, mark

# Of people, keys and who may do what.
_PEOPLE = (
    mark("There is somebody named {name} already. Choose another name."),
    mark("A password has {least} to {most} characters; 15 or more are good."),
    mark("{scope} is for keys of every shop: people and keys belong to all."),
    mark("There is a key named {name} already. Choose another name."),
    mark("There is no key named {name}."),
    mark("This is for people with the role {role}. Ask an owner of this installation."),
    mark("Nobody is invited by the address {address}. Ask an owner of this installation."),
    mark("The provider's answer cannot be believed: {why}. Log in again; if it stays so, ask whoever runs Ombud."),
    mark("shop_id: this key is for shop {shop} alone."),
)
# Of endpoints: their address, headers and limits, and what is done with one.
_ENDPOINTS = (
    mark("The URL has {size} characters; {most} is the most."),
    mark("Port {port} does not exist: ports go from 1 to {most}."),
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
    mark("The endpoint's {field} cannot be read: {error}. Enter it again."),
    mark("It has at most {most} characters."),
    mark("It is a whole number from 1 to {most}, or nothing."),
    mark("It is empty, or one of: {choices}."),
    mark("The endpoint was sent {most} tests within a minute, which is the most. Wait."),
    mark("The endpoint {id} is not deleted."),
    mark("This shop has {most} endpoints, which is the most. Delete one first."),
    mark("There is no endpoint {id}."),
    mark("There is no delivery {id}."),
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
    mark("There is no arrival {id}."),
    mark("There is no run {id}."),
    mark("There is no shop {id}."),
    mark("{text} is not the number of a shop."),
    mark("Shop {name} has one token alone. `ombud shops rotate` gives it another beside it."),
)
# Of forms and addresses.
_FORMS = (
    mark("The body has more than {most} bytes. Send less at once."),
    mark("Choose one of: {choices}."),
    mark("Choose at least one of: {choices}."),
    mark("It is one of: {choices}."),
    mark("It is a whole number from {least} to {most}."),
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
