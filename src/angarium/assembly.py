"""Settings -> world -> services: the only file that names concrete makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec
import structlog
from litestar import Litestar
from prometheus_client import CollectorRegistry

from angarium import channels, composer, rooms
from angarium.accounts import notary, sso
from angarium.accounts import store as accounts
from angarium.accounts.entering import Letter, Reception
from angarium.accounts.lately import Answering
from angarium.accounts.limits import Limits
from angarium.accounts.notary import Notary
from angarium.accounts.oidc import Providers
from angarium.campaigns import (
    finding,
    recipients,
)
from angarium.campaigns.flows import by_cascade, needing_list, to_segment
from angarium.campaigns.report import Reports
from angarium.campaigns.runner import CampaignRunner
from angarium.channels import kit
from angarium.composer import StandsOn
from angarium.config import Settings, called, place, processors
from angarium.contacts.exports.flows import Exports
from angarium.contacts.exports.runner import Exporter
from angarium.contacts.flows import Recipient
from angarium.contacts.imports.flows import Imports
from angarium.contacts.imports.runner import Runner
from angarium.content import pages as template_pages
from angarium.content.media import flows as media_flows
from angarium.content.media.flows import MediaRoom
from angarium.content.media.tidying import Tidier
from angarium.core.clock import SystemChance, SystemClock
from angarium.core.ids import IdMint
from angarium.core.ports import Tools
from angarium.core.problems import Problem
from angarium.core.values import MessageClass
from angarium.doors.smpp.door import Listening, SmppDoor
from angarium.doors.twilio.desk import TwilioDesk
from angarium.doors.twilio.door import TwilioDoor
from angarium.doors.webchat.flows import Outbox
from angarium.doors.webchat.room import WebChatRoom
from angarium.fabric.opening import open_fabric
from angarium.insight.savings import Savings
from angarium.lines import flows as line_flows
from angarium.lines.at_hand import Lines
from angarium.messaging.accept import MessageInput, Order
from angarium.messaging.api import Desk
from angarium.messaging.composer import ComposerProcess
from angarium.messaging.meters import EngineCollector
from angarium.messaging.store import owners, uses
from angarium.messaging.surroundings import Outlook
from angarium.messaging.workers import Engine
from angarium.messaging.world import World
from angarium.notices import flows as notice_flows
from angarium.notices.runner import Teller
from angarium.protocols.http import Http
from angarium.sandbox.operators import Operators
from angarium.servers.presence import Presence
from angarium.servers.rules import Server
from angarium.storage import facts, instance, opening
from angarium.storage.database import ADVICE, open_database
from angarium.storage.ground import Ground
from angarium.storage.migrate import migrate, pending, revisions
from angarium.storage.shelf import Shelf
from angarium.storage.vault import Vault, key_file
from angarium.web.app import make_app
from angarium.web.crier import Crier

log = structlog.get_logger()

MEDIA = "media"  # the folder of files beside words, among the files

LETTERS = {
    "reset": "Set a new password within the hour: {link}",
    "invitation": "You are invited. Accept within seven days: {link}",
}
LETTER_CLASSES = {"reset": MessageClass.OTP, "invitation": MessageClass.TRANSACTIONAL}


HANDLERS, PHONES = rooms.HANDLERS, rooms.PHONES


@dataclass
class House:
    """One process's worth of Angarium: open it, run what is wanted, close it."""

    settings: Settings
    ground: Ground
    http: Http
    world: World
    engine: Engine
    notary: Notary
    imports: Imports
    importer: Runner
    exports: Exports
    exporter: Exporter
    campaigns: CampaignRunner
    composer: ComposerProcess | None  # what makes messages ready beside this process
    media: MediaRoom
    tidier: Tidier
    teller: Teller
    operators: Operators | None  # simulated ones, where the settings name them
    smpp_door: SmppDoor | None  # where the settings open it
    twilio_door: TwilioDoor
    web_chat: WebChatRoom
    presence: Presence
    crier: Crier
    answering: Answering

    async def open(self) -> None:
        """Connect to the database and to the network; nothing runs by itself yet."""
        await self.ground.db.start()
        self.ground.fabric.begin_after(await self.ground.db.read(owners.newest))
        if (node := await self.ground.fabric.start()) is not None:
            self.ground.ids.become(node)
        await self.ground.db.run(facts.renumber_after_restore)
        await self.http.start()
        if self.operators is not None:
            await self.operators.start()

    async def close(self) -> None:
        """Let go of everything; the engine must have been stopped."""
        if self.composer is not None:
            await self.composer.stop()
        if self.operators is not None:
            await self.operators.stop()
        await self.http.stop()
        await self.ground.fabric.stop()
        await self.ground.db.stop()


def assemble(settings: Settings) -> House:
    """Put the makes together; touches the key file and nothing else."""
    ground = make_ground(settings)
    http = Http(settings.allow_private)
    media_shelf = Shelf(files_folder(settings) / MEDIA, settings.media_max_bytes)
    world = World(
        ground=ground,
        channels=channels.load(),
        lines=Lines(ground),
        tools=Tools(ground.clock, ground.chance, http, partial(media_flows.octets, media_shelf)),
        connect=kit.connect,
        keeper=Outbox(ground).of,
        share_per_s=settings.line_share_per_s if settings.fabric != "local" else 0.0,
        public_url=world_url(settings),
    )

    async def workspace_ids() -> list[int]:
        return [workspace.id for workspace in await ground.db.read(accounts.workspaces)]

    engine = Engine(world, workspace_ids, works="worker" in settings.roles)
    sources = {recipients.SOURCE: recipients.Files(world)}
    exports = Exports(ground, Shelf(files_folder(settings) / "exports", settings.file_max_bytes), sources)
    media_room = MediaRoom(
        ground,
        media_shelf,
        settings.media_workspace_max_bytes,
        world.public_url,
    )
    imports_shelf = Shelf(files_folder(settings) / "imports", settings.file_max_bytes)
    imports = Imports(ground, imports_shelf, needing_list)
    composing = composer_of(settings, ground)
    return House(
        settings,
        ground,
        http,
        world,
        engine,
        Notary(ground, notary.anchors_beside(settings.key_file)),
        imports,
        Runner(imports, workspace_ids),
        exports,
        Exporter(exports, workspace_ids),
        CampaignRunner(world, workspace_ids, composing),
        composing,
        media_room,
        Tidier(media_room, workspace_ids),
        Teller(world, workspace_ids),
        Operators(settings.sandbox_url) if settings.sandbox_url else None,
        SmppDoor(world, workspace_ids, listening(settings)) if settings.smpp_port else None,
        TwilioDoor(world, workspace_ids),
        WebChatRoom(world, engine.heard, workspace_ids, media_room),
        Presence(world, engine, settings.fabric, called(settings), settings.roles),
        Crier(ground),
        Answering(ground),
    )


def composer_of(settings: Settings, ground: Ground) -> ComposerProcess | None:
    """What makes messages of campaigns and batches ready beside this process, where there is a processor for
    it, and one writer to spare it: on SQLite."""
    alone = settings.database.startswith("sqlite:///")
    if settings.composer == "off" or not alone or (settings.composer == "auto" and processors() < 2):
        return None
    stands_on = StandsOn(settings.database, settings.key_file, world_url(settings))
    return ComposerProcess(composer.__name__, msgspec.json.encode(stands_on), ground.clock)


def listening(settings: Settings) -> Listening:
    """Where SMPP clients are let in."""
    return Listening(
        settings.smpp_host,
        settings.smpp_port,
        settings.smpp_tls_certificate,
        settings.smpp_tls_key,
        settings.failed_keys_per_min,
    )


def world_url(settings: Settings) -> str:
    """Where this server is reached from outside, without a stroke at its end; empty when it is not."""
    return settings.public_url.rstrip("/")


def files_folder(settings: Settings) -> Path:
    """Where files lie while they are needed."""
    return Path(settings.files_folder or Path(settings.key_file).parent / "angarium.files")


def make_ground(settings: Settings) -> Ground:
    """What flows stand on; enough for the commands that need no network."""
    clock, chance, database = SystemClock(), SystemChance(), open_database(settings.database)
    return Ground(
        db=database,
        clock=clock,
        chance=chance,
        ids=IdMint(clock, settings.node),
        vault=make_vault(settings),
        fabric=open_fabric(place(settings), database, clock, chance, leases="worker" in settings.roles),
    )


def make_vault(settings: Settings) -> Vault:
    """The keeper of secrets; makes the key file where there was none before, a Problem where it is gone."""
    opening.check_key(settings.key_file)
    chance = SystemChance()
    file = Path(settings.key_file)
    keys = key_file(file, chance)
    return Vault(keys.every, chance, file, keys.hashing)


def application(house: House) -> Litestar:
    """The rooms' APIs and pages on one address."""
    registry = CollectorRegistry()
    registry.register(EngineCollector(house.world, house.engine))
    limits = Limits(house.ground.clock, house.settings.requests_per_s, house.settings.failed_keys_per_min)
    house.presence.learners.append(partial(share_limit, limits))
    desk = Desk(house.world, house.engine, house.composer)
    reception = Reception(house.ground, partial(post, desk, house.settings.public_url))

    return make_app(
        [*HANDLERS, *(PHONES if house.operators else ())],
        house.ground,
        ready={"database": partial(can_keep, house.ground)},
        notices={"engine": house.engine.warnings, "fabric": house.presence.warnings},
        receiving=partial(house.engine.incoming.trouble, partial(can_keep, house.ground)),
        registry=registry,
        body_max_bytes=house.settings.body_max_bytes,
        roles=house.settings.roles,
        limits=limits,
        services={
            "messages": desk,
            "needs": rooms.EVERY_NEED,
            "channels": house.world.channels,
            "surroundings": Outlook(house.world),
            "template_uses": uses.of_versions,
            "template_names": template_pages.named,
            "line_states": house.engine.states,
            "imports": house.imports,
            "exports": house.exports,
            "campaign_reports": Reports(house.world),
            "campaign_names": finding.called,
            "savings": Savings(house.world),
            "media": house.media,
            "public_url": house.settings.public_url,
            "operators": house.operators,
            "smpp_door": house.smpp_door,
            "twilio": TwilioDesk(house.world),
            "web_chat": house.web_chat,
            "lines_known": partial(lines_known, house.ground),
            "reception": reception,
            "seekers": rooms.SEEKERS,
            "presence": house.presence,
            "lately": house.answering.lately,
            "other_servers": lambda: house.presence.answering,
            "fabric_kind": house.settings.fabric,
            "segment_uses": to_segment,
            "unread": partial(notice_flows.unread, house.ground),
            "cascade_uses": (by_cascade,),
            "sso": sso.Desk(reception, Providers(house.http, house.ground.clock), house.settings.public_url),
        },
    )


def share_limit(limits: Limits, servers: Sequence[Server]) -> None:
    """What a workspace may ask is shared by the servers that it can ask."""
    limits.requests.share(sum(bool({"api", "console"} & set(one.roles)) for one in servers))


async def lines_known(ground: Ground, workspace_id: int) -> set[int]:
    """The lines that a workspace has, and those that others lend it."""
    own = await line_flows.everything(ground, workspace_id)
    lent = await line_flows.lent_to(ground, workspace_id)
    return {line.id for line in own} | {one.line.id for one in lent}


async def post(desk: Desk, public_url: str, letter: Letter) -> None:
    """Send somebody their link over a line of a workspace, as any service message."""
    path = {"reset": "/reset/new", "invitation": "/invitation"}[letter.kind]
    message = MessageInput(
        to=Recipient(email=letter.email),
        message_class=LETTER_CLASSES[letter.kind],
        text=LETTERS[letter.kind].format(link=f"{public_url.rstrip('/')}{path}?token={letter.token}"),
        line=letter.line,
        label="sign-in",
        track=False,  # the link is a secret
    )
    answer = await desk.offer(Order(letter.workspace_id, (message,), batch=False))
    if isinstance(answer, Problem):
        raise answer


async def can_keep(ground: Ground) -> str:
    """What keeps the database from keeping what it is given; "" when it does.

    A small write may go through where a large one did not, so what was the matter before counts as well.
    """
    trouble = ground.db.trouble
    try:
        await ground.db.run(instance.touch, ground.clock.now())
    except Problem as problem:
        return problem.detail
    return f"{trouble}: {ADVICE[trouble]}" if trouble else ""


async def prepare(settings: Settings) -> None:
    """See that the database is whole and the one that belongs here; bring it to the schema of this version.

    Where a server runs, it has looked already. Where none does, whoever opens the file first must look.
    """
    with opening.nobody_else(settings.database, settings.key_file) as look:
        await begin_on(settings, look=look)


async def bring_up(settings: Settings, *, check: bool) -> list[str]:
    """The revisions that the database lacked, or lacks with `check`, which changes nothing and makes no file.

    A Problem where another database is expected: on a disk that is not mounted a new one must not be made.
    """
    database, path = settings.database, opening.sqlite_path(settings.database)
    opening.check_there(database, settings.key_file)
    if check and path is not None and not path.exists():
        return revisions()
    await opening.check_ours(database, settings.key_file)
    return await (pending(database) if check else migrate(database))


async def begin_on(settings: Settings, *, look: bool) -> list[str]:
    """See to the database as before each start; the revisions that it lacked."""
    database, key = settings.database, settings.key_file
    opening.check_there(database, key)
    clock, chance = SystemClock(), SystemChance()
    if look:
        await opening.check_whole(database, key, clock)
    await opening.check_ours(database, key)
    lacked = await migrate(database)
    await opening.remember(database, key, make_vault(settings), chance, clock.now())
    return lacked
