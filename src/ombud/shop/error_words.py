"""What is wrong with a form of the shop, in the reader's language."""

from ombud.web.error_words import Sentences, say_error
from ombud.web.words import Words, mark

SENTENCES = Sentences(
    mark("A product needs a title."),
    mark("This product has variants: name one by its variant_id."),
    mark("There is no order {id}."),
    mark("There is no product {id}."),
    mark("There is no variant {id} of product {product}."),
    mark("There is no variant {id} of this product."),
    mark("An id is a number of at most 18 digits."),
    mark("It must be text."),
    mark("It must be a number."),
    mark("It is from 0 to {most}."),
    mark("It holds a character that cannot be stored."),
)


def say_shop_error(text: str, words: Words) -> str:
    """Return what an error says in the reader's language; what nobody has translated stays as it is."""
    return SENTENCES.say(text, words) or say_error(text, words)
