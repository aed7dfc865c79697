"""A receiver inside a Django project, whose handlers write with the ORM.

    export OMBUD_TOKEN=… QUICKBUTIK_API_KEY=… OMBUD_DATABASE_URL=sqlite:////srv/shop/inbox.db
    gunicorn examples.with_django:application
    ombud work examples.with_django:inbox

The shop's webhooks go to http://HOST:8000/hooks/TOKEN. Here the whole project is this file. In yours, `application` is
the one of wsgi.py, and the inbox with its handlers is a module that is imported after `django.setup()`.
"""

import os
from collections.abc import Callable, Iterable
from typing import Any

import django
from django.conf import settings

settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ.get("SITE_DB", "site.sqlite3")}},
)
django.setup()

from django.core.wsgi import get_wsgi_application  # noqa: E402 - Django's parts want its settings first
from django.db import connection, models  # noqa: E402
from django.http import HttpRequest, JsonResponse  # noqa: E402
from django.urls import path  # noqa: E402

from ombud import Context, Inbox, Order  # noqa: E402

inbox = Inbox.from_env()
site = get_wsgi_application()


class Shipment(models.Model):  # type: ignore[misc]
    """A table of your own. The key is unique, so a repetition changes nothing."""

    order_id = models.CharField(max_length=64)
    key = models.CharField(max_length=32, unique=True)

    class Meta:
        app_label = "shipping"
        db_table = "shipment"
        managed = False

    def __str__(self) -> str:
        return f"order {self.order_id}"


with connection.cursor() as cursor:  # in a project: manage.py migrate
    cursor.execute("create table if not exists shipment(id integer primary key, order_id text, key text unique)")


@inbox.on("order.new")
def ship(order: Order, context: Context) -> None:
    """Paid, confirmed by the shop's API, once per order. Plain functions may use the ORM: each has its own thread."""
    Shipment.objects.get_or_create(key=context.key, defaults={"order_id": order.id})


def shipments(_request: HttpRequest) -> JsonResponse:
    """Your own views stand beside the hooks."""
    return JsonResponse({"shipped": list(Shipment.objects.values_list("order_id", flat=True))})


urlpatterns = [path("shipments", shipments)]


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Below /hooks the inbox answers, everywhere else Django."""
    if environ["PATH_INFO"].startswith("/hooks/"):
        return inbox.wsgi(environ, start_response)
    answer: Iterable[bytes] = site(environ, start_response)
    return answer
