"""Links: where they lead, and whether they look like it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address

from angarium.content.lint.findings import Finding
from angarium.content.lint.lookalikes import script, skeleton
from angarium.content.lint.subject import HIDDEN, Subject, Wording

# A link as phones find one in a text: to the next blank or quote, without the sign that ends a sentence.
LINK = re.compile(r"(?i)\b(https?)://([^\s/?#<>\"'()]+)")
BARE = re.compile(
    r"(?i)(?<![\w@./-])((?:[\w-]+\.)+(?:com|net|org|info|ir|ua|ru|kz|cn|io|me|ly|app|shop))\b(?!@)"
)
# Public shorteners that operators' filters know; no list of them is ever whole.
SHORTENERS = frozenset(
    {
        "b2n.ir",
        "bit.ly",
        "bitly.com",
        "bl.ink",
        "buff.ly",
        "clck.ru",
        "cutt.ly",
        "dwz.cn",
        "goo.gl",
        "goo.su",
        "is.gd",
        "lnkd.in",
        "opizo.com",
        "ow.ly",
        "plink.ir",
        "qps.ru",
        "rb.gy",
        "rebrand.ly",
        "s.id",
        "shorturl.at",
        "soo.gd",
        "suo.im",
        "t.cn",
        "t.co",
        "t.ly",
        "tiny.cc",
        "tinyurl.com",
        "u.to",
        "url.cn",
        "v.gd",
        "vk.cc",
        "yun.ir",
        "zaya.io",
    }
)


def look(subject: Subject, wording: Wording) -> Iterator[Finding]:
    """Everything about the links of one wording."""
    for name, source in wording.fields():
        for found in LINK.finditer(source):
            yield from _link(subject, wording, name, found[1].lower(), _host(found[2]), found.start())
        if name != "html":
            for found in BARE.finditer(LINK.sub(lambda link: HIDDEN * len(link[0]), source)):
                yield from _led_to(subject, wording, name, found[1].lower(), found.start())


def _host(authority: str) -> str:
    """The host of a link, without its port and whoever is named before it."""
    return authority.rpartition("@")[2].partition(":")[0].rstrip(".,;!…").lower()


def _link(
    subject: Subject, wording: Wording, name: str, scheme: str, host: str, place: int
) -> Iterator[Finding]:
    if scheme == "http":
        yield wording.finding(
            "link-not-https",
            f"the link to {host.replace(HIDDEN, '…')} is not encrypted",
            "write https://",
            field=name,
            position=place + 1,
            value=host.replace(HIDDEN, "…"),
        )
    if HIDDEN in host:
        yield from _varying(subject, wording, name, place)
    else:
        yield from _led_to(subject, wording, name, host, place)


def _varying(subject: Subject, wording: Wording, name: str, place: int) -> Iterator[Finding]:
    """A host that a variable makes: looked at in the samples, if there are any."""
    hosts = {
        _host(found[2])
        for one in wording.rendered
        if one.content is not None
        for text in (one.content.text, one.content.html, *(button.url for button in one.content.buttons))
        for found in LINK.finditer(text)
    }
    for host in sorted(hosts):
        yield from _led_to(subject, wording, name, host, place)
    if not hosts:
        yield wording.finding(
            "link-host-varies",
            "the host of this link comes with the message",
            "write the host into the wording, and only the rest as a variable",
            field=name,
            position=place + 1,
        )


def _led_to(subject: Subject, wording: Wording, name: str, host: str, place: int) -> Iterator[Finding]:
    domains = subject.around.wording.domains
    where = {"field": name, "position": place + 1, "value": host}
    readable = decoded(host)
    if belongs(host, domains):
        return
    twin = next((own for own in domains if _alike(readable, own)), "")
    if twin or _mixed(readable):
        like = f"looks like {twin}" if twin else "has letters of two alphabets"
        yield wording.finding(
            "link-lookalike", f"the host {readable} {like}", "type the address anew", **where
        )
    elif _is_number(host):
        yield wording.finding(
            "link-by-number", f"the link leads to the number {host}", "give the host a name", **where
        )
    elif belongs(host, SHORTENERS):
        yield wording.finding(
            "link-shortener", f"{host} is a public shortener", "use a domain of your own", **where
        )
    elif domains:
        yield wording.finding(
            "link-unknown-host",
            f"{host} is not among the domains of this workspace",
            "put it on the list (PUT /v1/policies/wording: domains), or mend the link",
            **where,
        )


def belongs(host: str, domains: frozenset[str] | tuple[str, ...]) -> bool:
    """Whether a host is one of these domains or stands below one."""
    return any(host == one.lower() or host.endswith("." + one.lower()) for one in domains)


def decoded(host: str) -> str:
    """A host as it is shown: labels of punycode as the letters they stand for."""
    try:
        return host.encode("ascii").decode("idna") if "xn--" in host else host
    except UnicodeError:
        return host


def _alike(host: str, own: str) -> bool:
    """Whether a host, or a domain above it, looks like one of ours and is not."""
    labels = host.split(".")
    count = own.count(".") + 1
    tail = ".".join(labels[-count:])
    return tail != own.lower() and skeleton(tail) == skeleton(own)


def _mixed(host: str) -> bool:
    return any(len({script(c) for c in label if script(c)}) > 1 for label in host.split("."))


def _is_number(host: str) -> bool:
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
