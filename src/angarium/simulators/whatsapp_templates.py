"""The templates of a WhatsApp business account: handed in over the API, and decided on by whoever plays Meta.

    POST /{version}/{account}/message_templates   {name, language, category, components}: {id, status}
    POST /{version}/{template}                    {components}: it is handed in again
    GET  /{version}/{account}/message_templates   all of them; ?limit=&after=

What is decided goes out as `message_template_status_update`, as Meta's page on it says (13 April 2026). A
template that was handed in here goes only while it is approved. Of one that never was, nothing is known, and
it goes: nobody has to hand in templates who wants to look at messages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from angarium.simulators.http_face import json_object, json_response

NAME_MAX, BODY_MAX = 512, 1_024  # characters
CATEGORIES = ("AUTHENTICATION", "MARKETING", "UTILITY")
GOES = ("APPROVED", "REINSTATED", "UNARCHIVED", "FLAGGED")


@dataclass
class Template:
    """One name in one language."""

    id: int
    name: str
    language: str
    category: str
    text: str
    status: str = "PENDING"


class TemplateDesk:
    """Takes templates in, and knows which may be sent."""

    def __init__(
        self, account_id: str, auth: str, ids: Iterator[int], error: Callable[..., web.Response]
    ) -> None:
        self._account_id, self._auth, self._ids, self._error = account_id, auth, ids, error
        self._templates: dict[tuple[str, str], Template] = {}

    def routes(self) -> list[web.RouteDef]:
        """Where they are handed in."""
        return [
            web.post("/{version}/{account_id}/message_templates", self._hand_in),
            web.get("/{version}/{account_id}/message_templates", self._list),
            web.post(r"/{version}/{template_id:\d+}", self._hand_in_again),
        ]

    def text(self, name: str, language: str) -> str | None:
        """What it says; None when it was never handed in."""
        found = self._templates.get((name, language))
        return found.text if found else None

    def may_go(self, name: str, language: str) -> bool:
        """Whether messages may be made of it."""
        found = self._templates.get((name, language))
        return found is None or found.status in GOES

    def decide(
        self,
        name: str,
        language: str,
        event: str,
        reason: str = "NONE",
        explained: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        """What is told of it from now on; `explained` is Meta's rejection_info. KeyError: never handed in."""
        found = self._templates[name, language]
        found.status = event
        told: dict[str, Any] = {
            "event": event,
            "message_template_id": found.id,
            "message_template_name": name,
            "message_template_language": language.replace("_", "-"),
            "reason": reason,
            "message_template_category": found.category,
        }
        return told | ({"rejection_info": explained} if explained else {})

    async def _hand_in(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != self._auth:
            return self._error(401, 190, "Invalid OAuth access token - Cannot parse access token")
        if request.match_info["account_id"] != self._account_id:
            return self._error(400, 100, "Unsupported post request. Object does not exist")
        given = await json_object(request)
        text = _body_of(given)
        name, language, category = given.get("name"), given.get("language"), given.get("category")
        named = isinstance(name, str) and 1 <= len(name) <= NAME_MAX and isinstance(language, str)
        if not named or text is None or category not in CATEGORIES:
            return self._error(400, 100, "Invalid parameter")
        if (name, language) in self._templates:
            return self._error(400, 100, "Invalid parameter: there is already content in this language")
        made = Template(next(self._ids), str(name), str(language), str(category), text)
        self._templates[made.name, made.language] = made
        return json_response({"id": str(made.id), "status": made.status, "category": made.category})

    async def _list(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != self._auth:
            return self._error(401, 190, "Invalid OAuth access token - Cannot parse access token")
        if request.match_info["account_id"] != self._account_id:
            return self._error(400, 100, "Unsupported get request. Object does not exist")
        limit, after = int(request.query.get("limit", "25")), int(request.query.get("after", "0"))
        kept = sorted(self._templates.values(), key=lambda one: one.id)
        page = [one for one in kept if one.id > after][:limit]
        document: dict[str, Any] = {"data": [_as_kept(one) for one in page]}
        if page:
            document["paging"] = {"cursors": {"before": str(page[0].id), "after": str(page[-1].id)}}
            if page[-1] is not kept[-1]:
                document["paging"]["next"] = str(request.url)
        return json_response(document)

    async def _hand_in_again(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != self._auth:
            return self._error(401, 190, "Invalid OAuth access token - Cannot parse access token")
        wanted, text = request.match_info["template_id"], _body_of(await json_object(request))
        found = next((one for one in self._templates.values() if str(one.id) == wanted), None)
        if found is None or text is None:
            return self._error(400, 100, "Invalid parameter")
        found.text, found.status = text, "PENDING"
        return json_response({"success": True})


def _as_kept(one: Template) -> dict[str, Any]:
    """A template when it is asked about."""
    return {
        "id": str(one.id),
        "name": one.name,
        "language": one.language,
        "status": one.status,
        "category": one.category,
        "rejected_reason": "NONE",
        "quality_score": {"score": "UNKNOWN"},
    }


def _body_of(given: dict[str, Any]) -> str | None:
    """The words of the body among the components."""
    components = given.get("components")
    for one in components if isinstance(components, list) else []:
        if isinstance(one, dict) and one.get("type") == "BODY" and isinstance(one.get("text"), str):
            return str(one["text"]) if 1 <= len(one["text"]) <= BODY_MAX else None
    return None
