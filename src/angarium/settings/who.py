"""Who acts without being somebody: the words for a command, a link, and what happens by itself."""

from __future__ import annotations

from angarium.accounts import audit

WORDS = {audit.CLI: "settings.by_cli", audit.LINK: "settings.by_link", audit.SYSTEM: "settings.by_system"}
