"""What a hand may do to a receiver's database, and what the audit must say of it."""

from tests.admin.damages import Damage, reading

RECEIVER = (
    Damage(
        "a document is deleted",
        ("delete from document",),
        {
            "reading_without_document",
            "mirror_without_document",
            "ledger_without_document",
            "change_without_document",
        },
    ),
    Damage(
        "the mirror of a lost version",
        ("update mirror set version = 'lost' where subject = 'product/7'",),
        {"mirror_without_document"},
        "select 'product/7'",
        str,
    ),
    Damage(
        "the ledger of a lost version",
        ("update ledger set applied_version = 'lost' where subject = 'order/1'",),
        {"ledger_without_document"},
        "select 'order/1'",
        str,
    ),
    Damage(
        "an arrival that was read is deleted, with its delivery",
        (
            "delete from event where id = (select min(event_id) from reading)",
            "delete from delivery where event_id = (select min(event_id) from reading)",
            "delete from attempt where event_id = (select min(event_id) from reading)",
        ),
        {"reading_without_arrival"},
        "select min(id) from reading",
        reading,
    ),
    Damage("readings are deleted", ("delete from reading",), {"mirror_without_reading"}),
    Damage(
        "a handler is deleted",
        ("delete from handler where name = 'ship'",),
        {
            "lane_without_handler",
            "ledger_without_handler",
        },
    ),
    Damage("a shop is deleted", ("delete from inbox_shop",), {"lane_without_shop", "event_without_shop"}),
    Damage(
        "a shop without a reader",
        ("update inbox_shop set reader_lane_id = 77",),
        {"shop_without_lane", "lane_without_shop"},
    ),
    Damage(
        "a change of a lost version",
        (
            """update event set data = '{"version": "ffffffffffffffffffffffffffffffff' || substr(data, 46)
            where box = 3 and data like '{"version": "%' and id = (select max(event_id) from delivery d
              where state = 0 and d.event_id in (select id from event where box = 3))""",
        ),
        {"change_without_document"},
    ),
)
