"""Starting a receiver: the one line that says what is wrong, shops of one's own, and the example as it stands."""

import json

import pytest

from tests.receiver.reports import Reports
from tests.receiver.served import Hook, environment, hook_of, wait_until_settled
from tests.receiver.store import KEY, Store
from tests.receiver.world import TOKEN
from tests.support.processes import Commands, Ombuds

GOOD = "from ombud import Inbox\ninbox = Inbox.from_env()\n"


NO_KEY = "There is no API key, so no webhook can be confirmed. Set QUICKBUTIK_API_KEY"
BROKEN = "Cannot import 'app': ZeroDivisionError: division by zero (app.py, line 4)"


@pytest.mark.parametrize(
    ("verb", "text", "said"),
    [
        ("work", "from ombud import\n", "Cannot import 'app': SyntaxError: "),
        (
            "work",
            "import nowhere\n",
            "ModuleNotFoundError: No module named 'nowhere' (app.py, line 1)",
        ),
        ("work", f"{GOOD}\n1 / 0\n", BROKEN),
        ("receive", f"{GOOD}\n1 / 0\n", BROKEN),
        ("work", f"{GOOD}raise SystemExit(7)\n", "Cannot import 'app': SystemExit: 7 (app.py, line 3)"),
        ("work", f"{GOOD}inbox.on('order.paid')(print)\n", "'order.paid' is not one of: order.new"),
        ("work", "inbox = 3\n", "'app' has no Inbox named 'inbox'. It has none."),
        ("work", GOOD, NO_KEY),
        ("receive", GOOD, NO_KEY),
    ],
    ids=["syntax", "import", "error", "error, receive", "exit", "handler", "no inbox", "no key", "no key, receive"],
)
def test_what_is_wrong_is_said_in_a_line(commands: Commands, verb: str, text: str, said: str) -> None:
    (commands.folder / "app.py").write_text(text)
    done = commands.run(verb, "app:inbox", OMBUD_TOKEN=TOKEN)
    assert (done.code, done.out) == (2, "")
    assert done.error.count("\n") == 1
    assert said in done.error


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("app", "'app' does not name an inbox. It looks like app:inbox."),
        ("nowhere:inbox", "There is no module 'nowhere' in "),
        ("../app:inbox", "Cannot import '../app'"),
        (".app:inbox", "Cannot import '.app'"),
    ],
)
def test_what_names_no_app_is_said_in_a_line(commands: Commands, target: str, said: str) -> None:
    done = commands.run("work", target)
    assert (done.code, done.out) == (2, "")
    assert done.error.count("\n") == 1
    assert said in done.error


def test_a_token_that_cannot_be_used_is_said_in_a_line(commands: Commands) -> None:
    (commands.folder / "app.py").write_text(GOOD)
    done = commands.run("work", "app:inbox", OMBUD_TOKEN="short", QUICKBUTIK_API_KEY=KEY)
    assert (done.code, done.error.count("\n")) == (2, 1)
    assert "OMBUD_TOKEN: A token has 8 to 200 of the characters" in done.error


def test_shops_of_one_inbox_have_tokens_and_keys_of_their_own(
    ombuds: Ombuds, commands: Commands, store: Store, reports: Reports
) -> None:
    settings = environment(commands.folder, store, reports)
    for name in ("OMBUD_TOKEN", "QUICKBUTIK_API_KEY"):
        del settings[name]
    (commands.folder / "good").write_text(f"{KEY}\n")
    (commands.folder / "bad").write_text("another-key\n")
    tokens = {}
    for name, file in (("north", "good"), ("south", "bad")):
        done = commands.run("shops", "add", name, "--api-key-file", file, "--json", **settings)
        assert done.code == 0, done.error
        assert json.loads(done.out)["name"] == name
        tokens[name] = json.loads(done.out)["token"]
    again = commands.run("shops", "add", "north", "--api-key-file", "good", **settings)
    assert (again.code, again.error.count("\n")) == (1, 1)
    missing = commands.run("shops", "add", "west", "--api-key-file", "nowhere", **settings)
    assert (missing.code, "there is no file nowhere" in missing.error) == (2, True)
    ombud = ombuds.start("receive", "tests.receiver.plain_app:inbox", "--port", "0", **settings)
    order_id = store.pay()
    for token in tokens.values():
        hook = Hook(hook_of(ombud).replace(TOKEN, token))
        assert hook.hear("order.new", order_id) == 200
    [first] = reports.wait("ship")
    # What the other shop was told waits for its own key, which no other one stands in for.
    (commands.folder / "bad").write_text(f"{KEY}\n")
    wait_until_settled(commands.folder)
    both = reports.wait("ship", 2)
    assert [one["order"] for one in both] == [order_id] * 2
    assert first["key"] != both[1]["key"]


def test_a_shop_may_be_added_while_the_receiver_runs(
    ombuds: Ombuds, commands: Commands, store: Store, reports: Reports
) -> None:
    settings = environment(commands.folder, store, reports)
    ombud = ombuds.start("receive", "tests.receiver.mounted:inbox", "--port", "0", **settings)
    product_id = store.client.create_product(title="Bowl", price="10.00")
    done = commands.run("shops", "add", "north", "--json", **settings)
    token = json.loads(done.out)["token"]
    hook = Hook(hook_of(ombud).replace(TOKEN, token))
    assert hook.hear("product.update", "101") == 200
    wait_until_settled(commands.folder)
    store.price(product_id, "11.00")
    assert hook.hear("product.update", product_id) == 200
    reports.until(lambda: any(one["product"] == product_id for one in reports.all("sync")))
    assert {one["event"] for one in reports.all("sync")} == {"product.update"}
