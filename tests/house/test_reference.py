"""Reference pages that are printed from the code say what the code says."""

from __future__ import annotations

from angarium.accounts import roles
from angarium.accounts.rules import SCOPES
from angarium.channels import reference as channels
from angarium.config import reference
from angarium.contacts.segments.reference import reference as rules_of_segments
from angarium.content.lifecycle import diagram
from angarium.content.lint.findings import reference as findings
from angarium.lines import requirements
from angarium.notices.rules import reference as notices
from house.tree import ROOT


def test_the_settings_page_is_current() -> None:
    page = (ROOT / "docs/reference/settings.md").read_text(encoding="utf-8")
    assert reference() in page, (
        "Print the table anew: python -c 'from angarium.config import reference; print(reference())'"
    )


def test_the_page_of_roles_is_current() -> None:
    page = (ROOT / "docs/reference/roles.md").read_text(encoding="utf-8")
    assert roles.reference() in page, (
        "Print it anew: python -c 'from angarium.accounts.roles import reference; print(reference())'"
    )


def test_the_page_of_the_api_has_every_scope() -> None:
    page = (ROOT / "docs/reference/api.md").read_text(encoding="utf-8")
    rows = [f"| `{scope}` | {what} |" for scope, what in SCOPES.items()]
    assert "\n".join(rows) in page


def test_the_page_of_findings_is_current() -> None:
    page = (ROOT / "docs/reference/lint.md").read_text(encoding="utf-8")
    assert findings() in page, "Print the table anew: angarium.content.lint.findings.reference()"


def test_the_diagram_of_templates_is_current() -> None:
    page = (ROOT / "docs/explanation/templates.md").read_text(encoding="utf-8")
    assert diagram() in page, "Print the diagram anew: angarium.content.lifecycle.diagram()"


def test_the_page_of_registrations_is_current() -> None:
    page = (ROOT / "docs/reference/registration-requirements.md").read_text(encoding="utf-8")
    assert requirements.reference() in page, (
        "Print it anew: python -c 'from angarium.lines.requirements import reference; print(reference())'"
    )


def test_the_page_of_rules_is_current() -> None:
    page = (ROOT / "docs/reference/segments.md").read_text(encoding="utf-8")
    assert rules_of_segments() in page, (
        "Print the tables anew: python -c "
        "'from angarium.contacts.segments.reference import reference; print(reference())'"
    )


def test_the_page_of_notices_is_current() -> None:
    page = (ROOT / "docs/reference/notices.md").read_text(encoding="utf-8")
    assert notices() in page, (
        "Print the table anew: python -c 'from angarium.notices.rules import reference; print(reference())'"
    )


def test_the_table_of_channels() -> None:
    page = (ROOT / "docs/channels/README.md").read_text(encoding="utf-8")
    assert channels() in page, (
        "Print the table anew: python -c 'from angarium.channels import reference; print(reference())'"
    )
