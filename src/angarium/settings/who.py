"""Who acts without being somebody: the words for a command, a link, and what happens by itself."""

from __future__ import annotations

from angarium.accounts import audit

WORDS = {audit.CLI: "doer.cli", audit.LINK: "doer.link", audit.SYSTEM: "doer.system"}
