"""What each room brings to the server: its handlers, what waits for a person, what the command bar finds."""

from __future__ import annotations

from angarium.accounts import account_pages, entry_pages, setup_pages, sso_api, sso_pages
from angarium.accounts import api as keys
from angarium.accounts import audit_api as audit
from angarium.accounts import me_api as me
from angarium.accounts import pages as doors
from angarium.accounts import people_api as people
from angarium.accounts import workspace_api as workspaces
from angarium.campaigns import api as campaigns
from angarium.campaigns import before_api as before_campaigns
from angarium.campaigns import (
    check_pages,
    draft_pages,
    finding,
    report_pages,
    wording_pages,
)
from angarium.campaigns import pages as campaign_pages
from angarium.campaigns import report_api as campaign_reports
from angarium.campaigns.states import CampaignState
from angarium.campaigns.store.campaigns import count_in
from angarium.contacts import api as contacts
from angarium.contacts import fields_api as contact_fields
from angarium.contacts import fields_pages as field_pages
from angarium.contacts import pages as contact_pages
from angarium.contacts import seekers as people_seekers
from angarium.contacts import segments_api as segments
from angarium.contacts import segments_pages
from angarium.contacts.exports import api as exports_api
from angarium.contacts.exports import pages as exports_pages
from angarium.contacts.imports import api as imports_api
from angarium.contacts.imports import pages as import_pages
from angarium.content import api as templates
from angarium.content import editor_pages, library_pages, review_pages
from angarium.content import pages as template_pages
from angarium.content import parts_api as parts
from angarium.content import proof_api as proofs
from angarium.content import registrations_api as template_registrations
from angarium.content import review_api as template_reviews
from angarium.content.media import api as media
from angarium.doors import handlers as door_handlers
from angarium.insight import pages as insight
from angarium.insight.needs import NEEDS, Need
from angarium.lines import api as lines
from angarium.lines import pages as line_form_pages
from angarium.lines import patterns_api as patterns
from angarium.lines import patterns_pages, registration_pages, rehearsal_pages, tariffs_pages
from angarium.lines import registration_api as registrations
from angarium.lines import tariffs_api as tariffs
from angarium.messaging import api as messages
from angarium.messaging import (
    balances_api,
    budgets_api,
    cascades_pages,
    costs_api,
    exchanges_api,
    health_api,
    line_pages,
    link_pages,
    links_api,
    merges_pages,
    pages,
    people_api,
    people_pages,
    policies_api,
    provider_api,
    reachability_api,
    review_api,
    strangers_pages,
    unknowns_pages,
    unsubscribe_pages,
    uses_api,
)
from angarium.messaging import cascades_api as cascades
from angarium.messaging import consents_api as consents
from angarium.messaging import merges_api as merges
from angarium.messaging import suppressions_api as suppressions
from angarium.messaging import unknowns_api as unknowns
from angarium.notices import api as notices
from angarium.notices import pages as notice_pages
from angarium.sandbox import pages as phones
from angarium.sandbox import setup_pages as first_steps
from angarium.servers import api as servers_api
from angarium.servers import pages as servers_pages
from angarium.settings import handlers as settings_pages
from angarium.storage.database import Transaction
from angarium.web.palette import Seeker


async def paused_campaigns(tx: Transaction, workspace_id: int) -> int:
    """Campaigns that somebody, or a fault, has paused."""
    return await count_in(tx, workspace_id, CampaignState.PAUSED)


async def campaigns_to_approve(tx: Transaction, workspace_id: int) -> int:
    """Campaigns that wait for somebody else's approval."""
    return await count_in(tx, workspace_id, CampaignState.IN_REVIEW)


EVERY_NEED = (
    *NEEDS,
    Need("paused", "/campaigns?state=paused", "messages:read", "doubt", paused_campaigns),
    Need("approvals", "/campaigns?state=in_review", "campaigns:decide", "on", campaigns_to_approve),
)

HANDLERS = [
    *insight.HANDLERS,
    *settings_pages.HANDLERS,
    *keys.HANDLERS,
    *people.HANDLERS,
    *me.HANDLERS,
    *workspaces.HANDLERS,
    *audit.HANDLERS,
    *lines.HANDLERS,
    *tariffs.HANDLERS,
    *registrations.HANDLERS,
    *patterns.HANDLERS,
    *templates.HANDLERS,
    *review_pages.HANDLERS,
    *editor_pages.HANDLERS,
    *library_pages.HANDLERS,
    *template_pages.HANDLERS,
    *parts.HANDLERS,
    *media.HANDLERS,
    *template_reviews.HANDLERS,
    *proofs.HANDLERS,
    *template_registrations.HANDLERS,
    *cascades.HANDLERS,
    *cascades_pages.HANDLERS,
    *contacts.HANDLERS,
    *contact_fields.HANDLERS,
    *merges.HANDLERS,
    *imports_api.HANDLERS,
    *people_api.HANDLERS,
    *reachability_api.HANDLERS,
    *exports_api.HANDLERS,
    *segments.HANDLERS,
    *messages.HANDLERS,
    *unknowns.HANDLERS,
    *campaigns.HANDLERS,
    *before_campaigns.HANDLERS,
    *campaign_reports.HANDLERS,
    *campaign_pages.HANDLERS,
    *draft_pages.HANDLERS,
    *wording_pages.HANDLERS,
    *check_pages.HANDLERS,
    *report_pages.HANDLERS,
    *costs_api.HANDLERS,
    *health_api.HANDLERS,
    *balances_api.HANDLERS,
    *provider_api.HANDLERS,
    *exchanges_api.HANDLERS,
    *budgets_api.HANDLERS,
    *policies_api.HANDLERS,
    *review_api.HANDLERS,
    *consents.HANDLERS,
    *suppressions.HANDLERS,
    *unsubscribe_pages.HANDLERS,
    *link_pages.HANDLERS,
    *links_api.HANDLERS,
    *doors.HANDLERS,
    *entry_pages.HANDLERS,
    *setup_pages.HANDLERS,
    *first_steps.HANDLERS,
    *sso_pages.HANDLERS,
    *sso_api.HANDLERS,
    *account_pages.HANDLERS,
    *pages.HANDLERS,
    *unknowns_pages.HANDLERS,
    *contact_pages.HANDLERS,
    *people_pages.HANDLERS,
    *merges_pages.HANDLERS,
    *strangers_pages.HANDLERS,
    *field_pages.HANDLERS,
    *segments_pages.HANDLERS,
    *import_pages.HANDLERS,
    *exports_pages.HANDLERS,
    *line_pages.HANDLERS,
    *line_form_pages.HANDLERS,
    *rehearsal_pages.HANDLERS,
    *registration_pages.HANDLERS,
    *patterns_pages.HANDLERS,
    *tariffs_pages.HANDLERS,
    *uses_api.HANDLERS,
    *notices.HANDLERS,
    *notice_pages.HANDLERS,
    *door_handlers.HANDLERS,
    *servers_api.HANDLERS,
    *servers_pages.HANDLERS,
]

PHONES = phones.HANDLERS  # only where there are simulated operators

# What the command bar finds beside pages, in this order.
SEEKERS = (
    Seeker("campaigns", "messages:read", "speakerphone", finding.seek),
    Seeker("contacts", "contacts:read", "users", people_seekers.seek_contacts),
    Seeker("segments", "contacts:read", "users-group", people_seekers.seek_segments),
    Seeker("messages", "messages:read", "send", pages.seek),
    Seeker("templates", "setup:read", "template", template_pages.seek),
    Seeker("cascades", "setup:read", "route", cascades_pages.seek),
    Seeker("lines", "setup:read", "plug-connected", line_form_pages.seek),
)
