"""The REST API's routes for people: who may log in to the panel."""

from typing import Annotated, Any

from fastapi import APIRouter, Request, Response

from ombud.admin import grants, links
from ombud.admin.access import EVERY_SHOP, Role
from ombud.admin.events import Document, rfc3339
from ombud.admin.grants import PREFIX, check_operator, etag_of_person, person_document
from ombud.admin.oidc_people import ADDRESS_PATTERN, LONGEST_NAME
from ombud.admin.people import Person, get_person, list_people
from ombud.db.database import Writer
from ombud.mailbox.ids import parse_id
from ombud.web.auth import caller_of
from ombud.web.bodies import Body, Changes, described
from ombud.web.keys_api import ShopId, add_audit_route, add_key_routes
from ombud.web.looking import look
from ombud.web.pages import Id, IfMatch

RoleName = Annotated[str, described(f"One of: {', '.join(Role)}.", enum=list(Role))]


class NewPerson(Body):
    """Somebody whom an OpenID provider knows by an address."""

    address: Annotated[str, described("An e-mail address.", pattern=ADDRESS_PATTERN, maxLength=LONGEST_NAME)]
    role: RoleName
    shop_id: ShopId = EVERY_SHOP


class Invitation(Body):
    """What somebody new may do."""

    role: RoleName
    shop_id: ShopId = EVERY_SHOP


class PersonChanges(Changes):
    """What to change of somebody; what is left out stays."""

    role: RoleName = Role.READER.value
    shop_id: ShopId = EVERY_SHOP

    @property
    def named(self) -> tuple[Role | None, int | None]:
        """The role and the shop that the body names; raises InvalidInput."""
        role = self.given("role")
        return role and Role.read(role), self.given("shop_id")


def create_people_router(people: Writer, keys: Writer, public_url: str = "") -> APIRouter:
    """Return the routes of people and keys. `people`, `keys` write where those are; `public_url`: of the panel."""
    router = APIRouter(prefix="/v1")
    _add_people(router, people)
    _add_links(router, people, public_url)
    add_key_routes(router, keys)
    add_audit_route(router, people)
    return router


def _add_people(router: APIRouter, people: Writer) -> None:
    database, tags = people.database, ["people"]

    @router.get("/people", summary="Everybody who may log in, by name", tags=[*tags])
    async def index(request: Request) -> dict[str, Any]:
        check_operator(caller_of(request))
        found = await look(database, list_people)
        return {"data": [person_document(person) for person in found], "next_cursor": None}

    @router.post("/people", status_code=201, summary="Let somebody in by an OpenID provider", tags=[*tags])
    async def add(request: Request, response: Response, body: NewPerson) -> Document:
        caller, now, role = caller_of(request), database.clock(), Role.read(body.role)
        make = lambda: grants.add_by_address(caller, body.address, role, body.shop_id, now)  # noqa: E731
        return _tagged(response, await people.write(make))

    @router.get("/people/{person_id}", summary="One of them", tags=[*tags])
    async def show(request: Request, response: Response, person_id: Id) -> Document:
        check_operator(caller_of(request))
        number = _number(person_id)
        return _tagged(response, await look(database, lambda: get_person(number)))

    @router.patch("/people/{person_id}", summary="Give somebody another role or shop", tags=[*tags])
    async def change(
        request: Request, response: Response, person_id: Id, body: PersonChanges, if_match: IfMatch = None
    ) -> Document:
        number, caller, now, (role, shop_id) = _number(person_id), caller_of(request), database.clock(), body.named
        make = lambda: grants.change_person(caller, number, role, shop_id, if_match, now)  # noqa: E731
        return _tagged(response, await people.write(make))

    @router.delete("/people/{person_id}", status_code=204, summary="Let somebody in no more", tags=[*tags])
    async def remove(request: Request, person_id: Id, if_match: IfMatch = None) -> None:
        number, caller, now = _number(person_id), caller_of(request), database.clock()
        await people.write(lambda: grants.remove(caller, number, if_match, now))

    @router.post("/people/{person_id}/end-sessions", summary="Log somebody out everywhere", tags=[*tags])
    async def end_sessions(request: Request, response: Response, person_id: Id) -> Document:
        number, caller, now = _number(person_id), caller_of(request), database.clock()
        return _tagged(response, await people.write(lambda: grants.end_sessions(caller, number, now)))


def _add_links(router: APIRouter, people: Writer, public_url: str) -> None:
    database, tags = people.database, ["people"]

    def opened(request: Request, token: str, now: int) -> Document:
        base = public_url or str(request.base_url).rstrip("/")
        return {"link": base + links.PATH + token, "expires_at": rfc3339(now + links.LINK_LIFE)}

    @router.post("/invitations", status_code=201, summary="A link for somebody new, shown once", tags=[*tags])
    async def invite(request: Request, body: Invitation) -> Document:
        caller, token, now, role = caller_of(request), links.new_token(), database.clock(), Role.read(body.role)
        await people.write(lambda: grants.invite(caller, token, role, body.shop_id, now))
        return {"role": role.value, "shop_id": body.shop_id, **opened(request, token, now)}

    @router.post(
        "/people/{person_id}/reset",
        status_code=201,
        summary="A link to choose a new password, shown once",
        tags=[*tags],
    )
    async def reset(request: Request, person_id: Id) -> Document:
        number, caller, token, now = _number(person_id), caller_of(request), links.new_token(), database.clock()
        await people.write(lambda: grants.reset(caller, token, number, now))
        return opened(request, token, now)


def _number(person_id: str) -> int:
    return parse_id(PREFIX, person_id, "person_id")


def _tagged(response: Response, person: Person) -> Document:
    response.headers["ETag"] = etag_of_person(person)
    return person_document(person)
