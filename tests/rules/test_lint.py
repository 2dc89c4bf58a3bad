"""What an author is told of some words: a row for each thing that is found, and for what must not be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from angarium.channels import kit, load
from angarium.content.approval import Approvals, wording_hash
from angarium.content.lint import looking
from angarium.content.lint.characters import named, plain
from angarium.content.lint.findings import KINDS, Finding, Level
from angarium.content.lint.links import belongs, decoded
from angarium.content.lint.lookalikes import skeleton, strangers
from angarium.content.lint.subject import Sample, Subject
from angarium.content.rules import Variant
from angarium.content.surroundings import Carrier, Mark, Surroundings, WordingPolicy
from angarium.core.values import Button, Content, Media, MessageClass, Price

CHANNELS = load()
OWN = ("shop.example",)
LEAVE = "https://shop.example/u/" + "x" * 43
SETTINGS: dict[str, dict[str, Any]] = {
    "smpp": {"host": "127.0.0.1", "system_id": "a", "password": "b", "source": "Shop"},
    "viber_business": {"api_key": "k", "sender": "Shop"},
    "smtp": {"host": "127.0.0.1", "security": "none", "sender_address": "a@shop.example"},
    "whatsapp_cloud": {"phone_number_id": "1", "access_token": "t", "app_secret": "s", "verify_token": "v"},
    "vk_notify": {"api_key": "k", "service": "s", "text_template": "plain", "text_variable": "text"},
}


def line(kind: str, classes: Sequence[str] = tuple(MessageClass), **settings: Any) -> Carrier:
    """A line at two cents a part."""
    channel = CHANNELS[kind]
    return Carrier(
        kind,
        channel,
        kit.decode_settings(channel, SETTINGS[kind] | settings),
        frozenset(MessageClass(one) for one in classes),
        lambda _class, _address, parts: Price(parts * 20_000, "EUR"),
    )


SMS, MAIL, VIBER = line("smpp"), line("smtp"), line("viber_business")


def look(
    *variants: Variant,
    kind: str = "service",
    samples: Sequence[Sample] = (),
    default: str = "",
    lines: Sequence[Carrier] = (SMS,),
    **around: Any,
) -> list[Finding]:
    """What is found in some words."""
    around.setdefault("wording", WordingPolicy(domains=OWN))
    where = Surroundings(CHANNELS, tuple(lines), **around)
    return looking.look(Subject(MessageClass(kind), variants, default, samples, where))


def kinds(found: Sequence[Finding]) -> set[str]:
    """What was found, but for what every SMS is told."""
    return {one.kind for one in found} - {"parts"}


def sms(text: str, locale: str = "*") -> Variant:
    """A wording for SMS."""
    return Variant(Content(text=text), "smpp", locale)


def mail(html: str = "", text: str = "t", **more: Any) -> Variant:
    """A wording for mail."""
    return Variant(Content(subject="s", text=text, html=html, **more), "smtp")


BILL = Media("media_0000000000001", "application/pdf", 9, "bill.pdf", "token")


def sample(**values: Any) -> Sample:
    """The usual values."""
    return Sample("usual", "", values)


# ── texts ────────────────────────────────────────────────────────────────────────────────────────────

TEXTS: list[tuple[str, str, str, str, str]] = [
    # what, the text of an SMS, what is found ("" nothing), where (from 1), words of problem or remedy
    ("plain", "Your order is on its way.", "", "", ""),
    ("Cyrillic", "Ваше замовлення в дорозі.", "", "", ""),
    ("Persian with joiners", "سفارش شما می‌رسد.", "", "", ""),
    ("Chinese", "您的订单已发货。", "", "", ""),
    ("Ukrainian with an apostrophe", "До п’ятниці ваше замовлення буде готове.", "", "", ""),
    ("a smart quote", "It’s ready.", "alphabet-surprise", "3", "write \"'\" instead"),
    ("a long dash", "Ready — come in.", "alphabet-surprise", "7", "write '-' instead"),
    ("an ellipsis", "Wait…", "alphabet-surprise", "5", "write '...' instead"),
    ("a bullet", "• one", "alphabet-surprise", "1", "write '*' instead"),
    ("curly double quotes", "the “best” one", "alphabet-surprise", "5", "write '\"' instead"),
    ("an emoji", "Your order is ready 🎉", "alphabet-surprise", "21", "leave it out"),
    ("a letter with a cedilla", "Your garçon is on its way", "alphabet-surprise", "9", "'c'"),
    ("a letter with a caron", "Pražská 5 is the address", "alphabet-surprise", "4", "'z'"),
    ("a hard blank", "In 5\u00a0minutes we are there", "alphabet-surprise", "5", "write ' ' instead"),
    ("a hard blank is not seen either", "In 5\u00a0minutes we are there", "character-invisible", "5",
     "plain blank"),
    ("a zero-width blank", "your\u200border", "character-invisible", "5", "take it out"),
    ("a byte order mark", "\ufeffyour order", "character-invisible", "1", "take it out"),
    ("a soft hyphen", "deli\u00advery", "character-invisible", "5", "take it out"),
    ("an override of direction", "order \u202e4512", "character-invisible", "7", "take it out"),
    ("a wide blank in Latin", "your\u3000order is ready", "character-invisible", "5", "plain blank"),
    ("a wide blank in Chinese", "您的　订单", "", "", ""),
    ("a euro sign", "Pay 5 € now", "character-counts-twice", "7", "two places"),
    ("brackets", "[Shop] order {1}", "character-counts-twice", "1", "4 in all"),
    ("a Cyrillic а in a Latin word", "Your pаssword is safe", "letters-mixed", "7",
     "cyrillic small letter a"),
    ("a Latin a in a Cyrillic word", "Ваш пaроль у безпеці", "letters-mixed", "6", "latin small letter a"),
    ("a Cyrillic С at the beginning", "Сhaykhana is open", "letters-mixed", "1",
     "cyrillic capital letter es"),
    ("a word of two alphabets that shows it", "Ваша SMSка готова", "", "", ""),
    ("an amount with a currency", "Сплачено 120,50 грн", "", "", ""),
    ("an amount without one", "Paid: 120.50", "amount-without-currency", "7", "write the currency"),
    ("an amount of thousands", "Paid: 1,250.00 in all", "amount-without-currency", "7", "write the currency"),
    ("a dollar before it", "Paid: $120.50", "", "", ""),
    ("a toman", "مبلغ 120.50 تومان", "", "", ""),
    ("a time written as an amount is", "Open until 18.30", "amount-without-currency", "12", ""),
    ("a date is no amount", "Until 12.05.2026", "", "", ""),
    ("our own host", "See https://shop.example/t", "", "", ""),
    ("a host below ours", "See https://t.shop.example/t", "", "", ""),
    ("another's host", "See https://other.example/t", "link-unknown-host", "5", "not among the domains"),
    ("a host that ends like ours", "See https://myshop.example/t", "link-unknown-host", "5", "myshop"),
    ("a shortener", "See https://bit.ly/3xyz", "link-shortener", "5", "public shortener"),
    ("a bare shortener", "See bit.ly/3xyz", "link-shortener", "5", "domain of your own"),
    ("not encrypted", "See http://shop.example/t", "link-not-https", "5", "write https://"),
    ("a number", "See https://192.0.2.7/t", "link-by-number", "5", "a name"),
    ("a zero for an o", "See https://sh0p.example/t", "link-lookalike", "5", "looks like shop.example"),
    ("punycode", "See https://xn--shp-kdd.example/t", "link-lookalike", "5", ""),
    ("Cyrillic in the host", "See https://shоp.example/t", "link-lookalike", "5", ""),
    ("a host with a port", "See https://shop.example:8443/t", "", "", ""),
    ("a sentence ends at a link", "It is at https://shop.example.", "", "", ""),
    ("a mail address is no link", "Write to help@other.com", "", "", ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "kind", "position", "words"), [row[1:] for row in TEXTS], ids=[row[0] for row in TEXTS]
)
def test_what_is_found_in_a_text(text: str, kind: str, position: str, words: str) -> None:
    found = [one for one in look(sms(text)) if one.kind != "parts"]
    if not kind:
        assert found == []
        return
    mine = [one for one in found if one.kind == kind]
    assert mine, found
    assert (mine[0].field, mine[0].variant, mine[0].channel) == ("text", 0, "smpp")
    if position:
        assert mine[0].position == int(position)
    assert words in f"{mine[0].problem} {mine[0].remedy}"
    assert mine[0].level is KINDS[kind].level


# ── templates ────────────────────────────────────────────────────────────────────────────────────────

PROMO = "20% off all teas."
ROWS: list[tuple[str, dict[str, Any], set[str]]] = [
    # what, how it is looked at, what is found
    ("a variable with a sample", {"variants": [sms("{{ a }}")], "samples": [sample(a="x")]}, set()),
    ("without one", {"variants": [sms("{{ a }}")]}, {"variable-without-sample"}),
    ("a path", {"variants": [sms("{{ o.id }}")], "samples": [sample(o={"id": 1})]}, set()),
    ("a path without a value", {"variants": [sms("{{ o.id }}")], "samples": [sample(o={"x": 1})]},
     {"variable-without-sample", }),
    ("the server's own", {"variants": [sms("{{ unsubscribe_url }}")], "unsubscribe_url": LEAVE}, set()),
    ("where it has none", {"variants": [sms("{{ unsubscribe_url }}")]}, {"variable-without-sample"}),
    ("a value that nobody uses", {"variants": [sms("x")], "samples": [sample(a="x")]}, {"sample-unused"}),
    ("an object that is used", {"variants": [sms("{{ o.id }}")], "samples": [sample(o={"id": 1,
     "n": 2})]}, set()),
    ("a defined field", {"variants": [sms("{{ contact.city }}")], "samples": [sample(contact={"city": "x"})],
     "fields": frozenset({"city"})}, set()),
    ("an undefined one", {"variants": [sms("{{ contact.ctiy }}")], "samples": [sample(contact={"ctiy": "x"})],
     "fields": frozenset({"city"})}, {"variable-unknown"}),
    ("every contact's own", {"variants": [sms("{{ contact.name }}")],
     "samples": [sample(contact={"name": "x"})],
     "fields": frozenset({"city"})}, set()),
    ("only in one of three", {"variants": [sms("{{ a }}"), sms("{{ a }} {{ b }}", "uk"), sms("{{ a }}",
     "fa")],
     "samples": [sample(a="x", b="y")]}, {"variable-only-here"}),
    ("a sample that does not render", {"variants": [sms("{{ a | date: '%d' }}")], "samples": [sample(a="x")]},
     {"sample-does-not-render"}),
    ("a sample that leaves nothing", {"variants": [sms("{% if a %}yes{% endif %}")],
     "samples": [sample(a=False)]},
     {"sample-empties-variant", "channel-limit"}),
    ("a value brings it", {"variants": [sms("Dear {{ a }}, your order is on its way")],
     "samples": [sample(a="Žofie")]}, {"alphabet-surprise-in-value"}),
    ("a value in its own alphabet", {"variants": [sms("{{ a }}")], "samples": [sample(a="Олена")]}, set()),
    ("a line that makes it plain", {"variants": [sms("It’s ready")], "lines": [line("smpp",
     smart=True)]}, set()),
    ("for all channels, lines by SMS", {"variants": [Variant(Content(text="It’s ready"))]},
     {"alphabet-surprise"}),
    ("for all channels, lines by mail", {"variants": [Variant(Content(text="It’s ready"))],
     "lines": [MAIL]}, set()),
    ("a locale that is there", {"variants": [sms("x", "uk"), sms("y")], "locales": (("uk", 3),)}, set()),
    ("a country of it", {"variants": [sms("x", "uk"), sms("y")], "locales": (("uk-UA", 3),)}, set()),
    ("one that is not", {"variants": [sms("x", "uk"), sms("y")], "locales": (("fa", 3),)},
     {"locale-missing"}),
    ("nobody would get anything", {"variants": [sms("x", "uk")], "locales": (("fa", 3),)},
     {"locale-unserved", "fallback-missing"}),
    ("the default of the template", {"variants": [sms("x", "uk")], "default": "uk", "locales": (("fa", 3),)},
     {"locale-missing"}),
    ("no fall-back", {"variants": [sms("x", "uk")]}, {"fallback-missing"}),
    ("a default is one", {"variants": [sms("x", "uk")], "default": "uk"}, set()),
    ("long", {"variants": [sms("word " * 150)], "samples": [sample()]}, {"parts-many"}),
    ("too long for the line", {"variants": [sms("word " * 400)], "samples": [sample()]},
     {"parts-many", "channel-limit"}),
    ("too long for Viber", {"variants": [Variant(Content(text="x" * 1001), "viber_business")],
     "samples": [sample()], "lines": [VIBER]}, {"channel-limit"}),
    ("too many buttons for Viber", {"variants": [Variant(Content(text="x", buttons=(
        Button("a", "https://shop.example"), Button("b", "https://shop.example"))), "viber_business")],
     "samples": [sample()], "lines": [VIBER]}, {"channel-limit"}),
    ("a label too long for Viber", {"variants": [Variant(Content(text="x", buttons=(
        Button("l" * 31, "https://shop.example"),)), "viber_business")], "samples": [sample()],
        "lines": [VIBER]}, {"channel-limit"}),
    ("a document that Viber cannot show", {"variants": [Variant(Content("x", media=BILL), "viber_business")],
     "lines": [VIBER]}, {"channel-limit"}),
    ("a document where not all can show it", {"variants": [Variant(Content("x", media=BILL))]},
     {"media-as-link"}),
    ("VK carries no promotion", {"variants": [Variant(Content(text=PROMO), "vk_notify")],
     "kind": "promotional",
     "lines": [line("vk_notify")]}, {"class-not-carried"}),
    ("no line may carry it", {"variants": [sms("x")], "lines": [line("smpp", ["otp"])]}, {"line-missing"}),
    ("a promotional SMS with no way out", {"variants": [sms(PROMO)], "kind": "promotional"},
     {"unsubscribe-missing"}),
    ("with a word", {"variants": [sms(PROMO + " Reply STOP to opt out")], "kind": "promotional"}, set()),
    ("in Ukrainian", {"variants": [sms("−20 % на чаї. Відписатися: СТОП")], "kind": "promotional"}, set()),
    ("in Persian", {"variants": [sms("تخفیف چای. لغو۱۱")], "kind": "promotional"}, set()),
    ("in Chinese", {"variants": [sms("全场八折，退订回T")], "kind": "promotional"}, set()),
    ("with an address", {"variants": [sms(PROMO + " {{ unsubscribe_url }}")], "kind": "promotional",
     "unsubscribe_url": LEAVE}, set()),
    ("a promotional mail", {"variants": [mail(text=PROMO)], "kind": "promotional", "lines": [MAIL]},
     {"unsubscribe-missing"}),
    ("with the server's", {"variants": [mail(text=PROMO)], "kind": "promotional", "lines": [MAIL],
     "unsubscribe_url": LEAVE}, set()),
    ("with its header", {"variants": [mail(text=PROMO, params={"unsubscribe_url": "https://shop.example/u"})],
     "kind": "promotional", "lines": [MAIL]}, set()),
    ("Viber has a switch of its own", {"variants": [Variant(Content(text=PROMO), "viber_business")],
     "kind": "promotional", "lines": [VIBER]}, set()),
    ("a service text needs none", {"variants": [sms("Your order is ready")]}, set()),
    ("an amount of a variable", {"variants": [sms("Pay {{ amount }} now")], "samples": [sample(amount="5")]},
     {"amount-without-currency"}),
    ("with its currency", {"variants": [sms("Pay {{ amount }} {{ currency }}")],
     "samples": [sample(amount="5", currency="EUR")]}, set()),
    ("a host that varies", {"variants": [sms("{{ link }}: https://{{ host }}/x")]},
     {"link-host-varies", "variable-without-sample"}),
    ("seen in a sample", {"variants": [sms("https://{{ host }}/x")], "samples": [sample(host="bit.ly")]},
     {"link-shortener"}),
    ("without a list of our own", {"variants": [sms("https://other.example/x")],
     "wording": WordingPolicy()}, set()),
    ("a path that varies", {"variants": [sms("https://shop.example/{{ a }}")],
     "samples": [sample(a="1")]}, set()),
    ("a link in a button", {"variants": [Variant(Content(text="x", buttons=(Button("b",
     "http://shop.example"),)),
     "viber_business")], "lines": [VIBER]}, {"link-not-https"}),
    ("good HTML", {"variants": [mail("<p>Hello <b>you</b><br><img src='https://shop.example/i' alt=''></p>")],
     "lines": [MAIL]}, set()),
    ("never closed", {"variants": [mail("<div><b>Hello</div>")], "lines": [MAIL]}, {"html-unbalanced"}),
    ("closes nothing", {"variants": [mail("<div>Hello</b></div>")], "lines": [MAIL]}, {"html-unbalanced"}),
    ("paragraphs may stay open", {"variants": [mail("<p>one<p>two<ul><li>three</ul>")],
     "lines": [MAIL]}, set()),
    ("a script", {"variants": [mail("<script>x()</script>")], "lines": [MAIL]}, {"html-not-mail"}),
    ("a handler", {"variants": [mail("<b onclick='x()'>y</b>")], "lines": [MAIL]}, {"html-not-mail"}),
    ("a picture without words", {"variants": [mail("<img src='https://shop.example/i'>")], "lines": [MAIL]},
     {"image-without-alt"}),
    ("no text of its own", {"variants": [mail("<b>x</b>", text="")], "lines": [MAIL]}, {"html-without-text"}),
    ("Liquid in HTML", {"variants": [mail("{% if a < 5 %}<b>{{ a }}</b>{% endif %}")],
     "samples": [sample(a=1)],
     "lines": [MAIL]}, set()),
    ("a provider's template", {"variants": [Variant(Content(text="x", template="t", template_language="en"),
     "whatsapp_cloud", "en")], "default": "en", "lines": [line("whatsapp_cloud")]}, {"registration-missing"}),
    ("free text by WhatsApp", {"variants": [Variant(Content(text="x"), "whatsapp_cloud")],
     "lines": [line("whatsapp_cloud")]}, set()),
    ("the policy asks it of Viber", {"variants": [Variant(Content(text="x"), "viber_business")],
     "lines": [VIBER],
     "approvals": Approvals(registered=("viber_business",))}, {"registration-missing"}),
    ("Viber ends with a variable", {"variants": [Variant(Content(text="Code: {{ a }}"), "viber_business")],
     "kind": "transactional", "samples": [sample(a="1")], "lines": [VIBER]}, {"viber-placeholders"}),
    ("two in a row", {"variants": [Variant(Content(text="x {{ a }}{{ b }} y"), "viber_business")],
     "kind": "otp", "samples": [sample(a="1", b="2")], "lines": [VIBER]}, {"viber-placeholders"}),
    ("Viber registers this", {"variants": [Variant(Content(text="Code {{ a }} is yours"), "viber_business")],
     "kind": "otp", "samples": [sample(a="1")], "lines": [VIBER]}, set()),
]  # fmt: skip


@pytest.mark.parametrize(("how", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_what_is_found_in_a_template(how: dict[str, Any], expected: set[str]) -> None:
    assert kinds(look(*how["variants"], **{k: v for k, v in how.items() if k != "variants"})) == expected


def test_there_are_rows_enough_and_every_kind_has_one() -> None:
    assert len(TEXTS) + len(ROWS) >= 100
    met = {row[2] for row in TEXTS} | {kind for row in ROWS for kind in row[2]}
    assert KINDS.keys() - met == {"variant-empty", "promotional-wording", "parts"}  # these have tests below


def test_words_that_promote_are_marked_in_a_service_text() -> None:
    def detect(text: str, _locale: str) -> list[Mark]:
        at = text.find("20% off")
        return [Mark(at, "20% off", "strong offer")] if at >= 0 else []

    (found,) = [one for one in look(sms("Ready. 20% off"), promotional=detect) if one.kind != "parts"]
    assert (found.kind, found.position, found.value) == ("promotional-wording", 8, "20% off")
    assert "strong offer" in found.problem
    promotional = look(sms("20% off. STOP"), kind="promotional", promotional=detect)
    assert "promotional-wording" not in kinds(promotional)


def test_what_promotes_is_quoted_as_it_is_written_with_the_tags_in_it() -> None:
    def detect(text: str, _locale: str) -> list[Mark]:
        return [Mark(4, text[4:], "code")]

    found = look(sms("Now code {{ code }} off"), promotional=detect)
    (one,) = [one for one in found if one.kind == "promotional-wording"]
    assert (one.position, one.value) == (5, "code {{ code }} off")
    assert one.problem == "code {{ code }} off promotes (code)"


def test_a_wording_that_says_nothing() -> None:
    assert kinds(look(Variant(Content(subject="s"), "smtp"), lines=[MAIL])) == {"variant-empty"}


def test_parts_and_price_over_all_samples() -> None:
    samples = [sample(a="x"), Sample("long", "", {"a": "y" * 200}), Sample("fa", "", {"a": "سلام"})]
    found = look(sms("Dear {{ a }}, your order is on its way"), samples=samples)
    (parts,) = [one for one in found if one.kind == "parts"]
    assert parts.problem == "1 to 2 parts on smpp, 0.02 EUR to 0.04 EUR; the longest with the test data long"
    assert parts.level is Level.NOTE


def test_what_a_character_costs() -> None:
    text = "It’s " + "x" * 150
    (surprise,) = [one for one in look(sms(text), samples=[sample()]) if one.kind == "alphabet-surprise"]
    assert "with it 3 parts, without such signs 1 part" in surprise.problem


def test_a_sample_is_for_the_wordings_of_its_locale() -> None:
    persian = Sample("fa", "fa", {"a": "x" * 1_600})
    found = look(sms("{{ a }}", "fa"), sms("{{ a }}"), samples=[sample(a="x"), persian])
    assert {one.variant for one in found if one.kind == "channel-limit"} == {0}


def test_a_registration_is_of_the_very_words() -> None:
    variant = Variant(Content(text="x", template="t", template_language="en"), "whatsapp_cloud", "en")
    around = Surroundings(CHANNELS)
    for words, missing in (
        (variant, False),
        (msgspec.structs.replace(variant, content=Content(text="y")), True),
    ):
        known = frozenset({("whatsapp_cloud", "en", wording_hash(words))})
        found = looking.look(Subject(MessageClass.SERVICE, [variant], "", [], around, known))
        assert ("registration-missing" in kinds(found)) is missing


def test_the_gravest_comes_first() -> None:
    found = look(sms("{{ a }} http://bit.ly/x [x]"), samples=[])
    order = {Level.ERROR: 0, Level.WARNING: 1, Level.NOTE: 2}
    assert [order[one.level] for one in found] == sorted(order[one.level] for one in found)
    assert all(one.problem and KINDS[one.kind] for one in found)


# ── what the looks lean on ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("word", "places"),
    [("password", []), ("pаssword", [1]), ("пароль", []), ("Кafe", [0]), ("SMSка", []), ("αlpha", [0])],
)
def test_letters_that_are_strangers_in_a_word(word: str, places: list[int]) -> None:
    assert strangers(word) == places


@pytest.mark.parametrize(
    ("host", "like"),
    [("sh0p.example", "shop.example"), ("shоp.example", "shop.example"), ("rnail.com", "mail.com")],
)
def test_hosts_that_look_alike(host: str, like: str) -> None:
    assert skeleton(host) == skeleton(like)
    assert skeleton("shop.example") != skeleton("stop.example")


def test_hosts_and_domains() -> None:
    assert belongs("a.shop.example", OWN)
    assert not belongs("shop.example.evil.com", OWN)
    assert decoded("xn--80ak6aa92e.com") == "аррӏе.com"
    assert decoded("xn--.com") == "xn--.com"


def test_how_a_character_is_named() -> None:
    assert named("’") == "’ (right single quotation mark)"
    assert named("\u00a0") == "the no-break space"
    assert plain("It’s “ž” 🎉") == 'It\'s "x" x'
