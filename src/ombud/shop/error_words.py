"""What is wrong with a form of the shop, in the reader's language."""

from ombud.web.error_words import Sentences, say_error
from ombud.web.words import Words, mark

SENTENCES = Sentences(
    mark("This is not a form of this shop."),
    mark("Write how many."),
    mark("Write a name."),
    mark("Write an e-mail address."),
    mark("An e-mail address has an @ in it."),
    mark("Write a price."),
    mark("Choose a product."),
    mark("Choose one of the buttons of an order."),
    mark("Choose one of the buttons of a dial."),
    mark("Add the endpoint in Settings → Webhooks."),
    mark("The shop has no product to order. Add one in the shop, then try again."),
    mark("A product needs a title."),
    mark("This product has variants: name one by its variant_id."),
    mark("There is no such page."),
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
