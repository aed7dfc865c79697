"""The two clients. Every method is a function of `reads`, `writes` or `effects`, carried out blocking or awaiting."""

from ombud.client import effects, reads, writes
from ombud.client.awaiting import Awaiting, awaiting, awaiting_list, awaiting_steps
from ombud.client.blocking import Blocking, blocking, blocking_list, blocking_steps


class ShopClient(Blocking):
    """The shop's REST API v1, blocking. May be shared between threads.

    `timeout_seconds` bounds each wait: for the connection, and for each next piece of the answer. Every method may
    raise `NetworkError`, `ApiError` (`Unauthorized` for 401, `RateLimited` for 429) and `UnexpectedAnswer`; a wrong
    argument raises `InvalidInput` before anything is sent. After a `NetworkError` or an `UnexpectedAnswer` from a write
    it is not known whether the shop took it.

    Without a `budget` each call is one request, sent at once. With one it waits for its turn, and is repeated when the
    API answers 429, or a read 503 with `Retry-After`, as long as that keeps within `patience_seconds` in all.
    """

    order = blocking(reads.order)
    orders = blocking_list(reads.orders)
    order_page = blocking(reads.order_page)
    changed_orders = blocking_list(reads.changed_orders)
    create_order = blocking(writes.create_order)
    create_orders = blocking(writes.create_orders)
    update_order = blocking(writes.update_order)
    update_orders = blocking(writes.update_orders)
    set_status = blocking_steps(effects.set_status)

    product = blocking(reads.product)
    products = blocking_list(reads.products)
    product_page = blocking(reads.product_page)
    product_count = blocking(reads.product_count)
    find_products = blocking_steps(effects.find_products)
    create_product = blocking(writes.create_product)
    update_product = blocking(writes.update_product)
    update_products = blocking(writes.update_products)
    set_stock = blocking_steps(effects.set_stock)
    delete_product = blocking(writes.delete_product)

    category = blocking(reads.category)
    categories = blocking(reads.categories)
    create_category = blocking(writes.create_category)
    payment_methods = blocking(reads.payment_methods)
    shipping_methods = blocking(reads.shipping_methods)
    metadata = blocking(reads.metadata)
    create_metadata = blocking(writes.create_metadata)
    update_metadata = blocking(writes.update_metadata)
    set_metadata = blocking_steps(effects.set_metadata)


class AsyncShopClient(Awaiting):
    """The shop's REST API v1 for asyncio: the same methods, arguments, results and errors as `ShopClient`."""

    order = awaiting(reads.order)
    orders = awaiting_list(reads.orders)
    order_page = awaiting(reads.order_page)
    changed_orders = awaiting_list(reads.changed_orders)
    create_order = awaiting(writes.create_order)
    create_orders = awaiting(writes.create_orders)
    update_order = awaiting(writes.update_order)
    update_orders = awaiting(writes.update_orders)
    set_status = awaiting_steps(effects.set_status)

    product = awaiting(reads.product)
    products = awaiting_list(reads.products)
    product_page = awaiting(reads.product_page)
    product_count = awaiting(reads.product_count)
    find_products = awaiting_steps(effects.find_products)
    create_product = awaiting(writes.create_product)
    update_product = awaiting(writes.update_product)
    update_products = awaiting(writes.update_products)
    set_stock = awaiting_steps(effects.set_stock)
    delete_product = awaiting(writes.delete_product)

    category = awaiting(reads.category)
    categories = awaiting(reads.categories)
    create_category = awaiting(writes.create_category)
    payment_methods = awaiting(reads.payment_methods)
    shipping_methods = awaiting(reads.shipping_methods)
    metadata = awaiting(reads.metadata)
    create_metadata = awaiting(writes.create_metadata)
    update_metadata = awaiting(writes.update_metadata)
    set_metadata = awaiting_steps(effects.set_metadata)
