"""Routes are put together as the framework puts them together, only quicker."""

from __future__ import annotations

from typing import cast

from litestar import Litestar

from angarium.assembly import HANDLERS
from angarium.web.app import put_together


def test_each_route_has_the_handlers_that_the_framework_finds() -> None:
    app, _, _ = put_together(tuple(HANDLERS))
    found = cast("property", Litestar.route_handler_method_map).fget
    assert found is not None
    assert app.route_handler_method_map == found(app)
    assert len(app.route_handler_method_map) > 300
