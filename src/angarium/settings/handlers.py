"""All pages of this room."""

from __future__ import annotations

from angarium.settings import (
    developer_pages,
    key_pages,
    pages,
    people_pages,
    policy_pages,
    provider_pages,
    suppression_pages,
)

HANDLERS = (
    *pages.HANDLERS,
    *people_pages.HANDLERS,
    *provider_pages.HANDLERS,
    *key_pages.HANDLERS,
    *policy_pages.HANDLERS,
    *suppression_pages.HANDLERS,
    *developer_pages.HANDLERS,
)
