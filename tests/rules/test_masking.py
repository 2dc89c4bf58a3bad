"""What is kept and shown of what was said on the wire: no secret in any form, no code, nothing endless."""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from html import escape
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from angarium.core.ports import Exchange, Said
from angarium.core.values import Button, Content
from angarium.messaging.masking import (
    FIELD_MAX,
    FIELDS_MAX,
    MASK,
    SIDE_MAX,
    Masks,
    code_words,
    kept,
    side,
    visible,
    written,
)

KEY = "k/9+Zü p\"4&<w'"


def text_of(said: Said, *secrets: str) -> str:
    """A side as it would be shown."""
    return written(side(said, Masks(secrets)))


# ── secrets by their value ───────────────────────────────────────────────────────────────────────────

FORMS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "in capitals": str.upper,
    "percent": lambda secret: quote(secret, safe=""),
    "percent, in small letters": lambda secret: quote(secret, safe="").lower(),
    "percent, but for slashes": quote,
    "percent, every octet": lambda secret: "".join(f"%{octet:02X}" for octet in secret.encode()),
    "percent twice": lambda secret: quote(quote(secret, safe=""), safe=""),
    "a form": quote_plus,
    "JSON": lambda secret: json.dumps(secret)[1:-1],
    "JSON, as it is": lambda secret: json.dumps(secret, ensure_ascii=False)[1:-1],
    "JSON within JSON": lambda secret: json.dumps(json.dumps(secret))[3:-3],
    "JSON with slashes escaped": lambda secret: json.dumps(secret)[1:-1].replace("/", "\\/"),
    "HTML": escape,
    "HTML by numbers": lambda secret: "".join(f"&#{ord(one)};" for one in secret),
    "HTML by hexadecimal numbers": lambda secret: "".join(f"&#x{ord(one):X};" for one in secret),
    "quoted-printable": lambda secret: "".join(f"={octet:02X}" for octet in secret.encode()),
    "hexadecimal": lambda secret: secret.encode().hex(),
    "hexadecimal with spaces": lambda secret: secret.encode().hex(" ").upper(),
    "UCS-2 in hexadecimal": lambda secret: secret.encode("utf-16-be").hex(),
    "base64": lambda secret: b64encode(secret.encode()).decode(),
    "base64 of a name and it": lambda secret: b64encode(f"shop:{secret}".encode()).decode(),
    "base64 of it between": lambda secret: b64encode(f"ab{secret}cd".encode()).decode(),
    "base64 for addresses": lambda secret: urlsafe_b64encode(f"a{secret}".encode()).decode(),
    "base64 in a query": lambda secret: quote(b64encode(f"user:{secret}".encode()).decode(), safe=""),
    "folded": lambda secret: f"{secret[:5]}\r\n {secret[5:]}",
    "octets that are no text": lambda secret: secret.encode("latin-1").decode("utf-8", "backslashreplace"),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_is_masked_however_it_is_written(form: str) -> None:
    spelt = FORMS[form](KEY)
    for around in ("{}", "before {} after", '{{"any":"{}"}}', "https://x.example/{}/send?a={}&b=1"):
        text, _ = Masks([KEY]).text(around.replace("{{", "{").replace("}}", "}").replace("{}", spelt))
        assert spelt not in text, text
        assert MASK in text
        assert KEY[:6] not in text


@given(
    st.text(
        st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="•\\%&=+"), min_size=4, max_size=24
    ),
    st.sampled_from(sorted(FORMS)),
    st.text(max_size=40),
    st.text(max_size=40),
)
@example("aaaa", "base64 of it between", "", "aaaa")
@example("    ", "a form", "x", "y")
@settings(max_examples=150, deadline=None)
def test_no_secret_survives(secret: str, form: str, before: str, after: str) -> None:
    try:
        spelt = FORMS[form](secret)
    except UnicodeEncodeError:  # not of Latin-1
        return
    masks = Masks([secret])
    text, _ = masks.text(f"{before}{spelt}{after}")
    assert masks._spans(text) == [], text  # nothing is left that could be found
    assert spelt not in text.replace(MASK, "\x00") or spelt in f"{before}\x00{after}"


def test_the_whole_of_a_run_of_base64_goes() -> None:
    """Its ends hold bits of the secret too."""
    run = b64encode(b"shop:" + b"s3cret-value" + b"!").decode()
    assert Masks(["s3cret-value"]).text(f"Basic {run}.")[0] == f"Basic {MASK}."


def test_secrets_that_overlap_do_not_hide_one_another() -> None:
    text, _ = Masks(["xa", "abcdefgh"]).text("1 xabcdefgh 2")
    assert text == f"1 {MASK} 2"


def test_no_half_of_a_secret_is_left_where_a_text_is_cut() -> None:
    secret = "0123456789abcdef" * 4
    for place in range(SIDE_MAX - len(secret) - 2, SIDE_MAX + 2):
        text, cut = Masks([secret]).text("." * place + secret + "." * 100)
        assert cut
        assert not set(text) & set(secret), place
    masked, _ = Masks(["p" * 400]).text(("p" * 400 + ".") * 200)  # what is masked is shorter: more fits
    assert "p" not in masked


def test_what_makes_a_regular_expression_slow_is_bounded() -> None:
    masks = Masks(["aab" * 10, "xyz"])
    for hostile in (
        '"' * 9_000,
        "a" * 90_000,
        "eHl6" * 9_000,
        "<token " * 3_000,
        "token=" * 3_000,
        "&#0" * 9_000,
    ):
        masks.text(hostile)
        side(Said("x", body=hostile.encode() * 100), masks)


# ── secrets by their name ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("Authorization", "Basic a2V5", f"Basic {MASK}"),
        ("authorization", "Bearer abc", f"Bearer {MASK}"),
        ("Authorization", "Key abc", f"Key {MASK}"),
        ("Authorization", "abc", MASK),
        ("Authorization", "hunter2 hunter3", MASK),  # no scheme that is known
        ("Proxy-Authorization", "Basic a2V5", f"Basic {MASK}"),
        ("Cookie", "session=1", MASK),
        ("set-cookie", "session=1; HttpOnly", MASK),
        ("X-Api-Key", "abc", MASK),
        ("x-goog-api-key", "abc", MASK),
        ("X-Hub-Signature-256", "sha256=00", MASK),
        ("X-Auth-Token", "abc", MASK),
        ("Content-Type", "application/json", "application/json"),
        ("X-Request-Id", "7", "7"),
        ("system_id", "shop", "shop"),
    ],
)
def test_headers(name: str, value: str, shown: str) -> None:
    assert Masks([]).field(name, value) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('{"access_token": "abc", "expires_in": 3600}', f'{{"access_token": {MASK}, "expires_in": 3600}}'),
        ('{"clientSecret":"a\\"b"}', f'{{"clientSecret":{MASK}}}'),
        ('{"password":12345}', f'{{"password":{MASK}}}'),
        ('{"password":"never ends', f'{{"password":{MASK}'),
        ("https://x.example/send?api_key=abc&text=hi", f"https://x.example/send?api_key={MASK}&text=hi"),
        ("login=shop&psw=x&password=abc%20d", f"login=shop&psw=x&password={MASK}"),
        ("<Password type='a'>abc</Password>", f"<Password type='a'>{MASK}</Password>"),
        ('{"message_id": 429, "code": 1}', '{"message_id": 429, "code": 1}'),
    ],
)
def test_what_stands_under_the_name_of_a_secret(text: str, shown: str) -> None:
    assert Masks([]).text(text)[0] == shown


# ── codes ────────────────────────────────────────────────────────────────────────────────────────────

CODE = Content(
    text="Your code is 493-021 or QXZP.", params={"1": "778899"}, buttons=(Button("Copy", "https://x/5512"),)
)


def test_of_a_code_nothing_is_kept_that_may_hold_it() -> None:
    body = json.dumps({"to": "380501234567", "text": CODE.text}).encode()
    head = "GET https://x.example/send?to=380501234567&text=Your%20code%20is%20493-021"
    asked = Said(head, (("Content-Type", "application/json"), ("X-Text", CODE.text)), CODE.text, body)
    answered = Said(
        "HTTP 400",
        (),
        body=b'{"error": "493021, QXZP: no", "echo": "Your code is 493-021 or QXZP.", "status": 400}',
    )
    found = kept(Exchange("http", asked, answered, 1.0, 1.5), Masks(["key-of-line"]), 10_000_000, 3.0, CODE)
    told = written(found.asked) + written(found.answered or found.asked)
    for piece in ("493", "021", "QXZP", "778899", "Your code", "5512"):
        assert piece not in told, told
    assert (found.asked.code, found.asked.size, found.asked.body, found.asked.words) == (
        True,
        len(body),
        "",
        "",
    )
    assert found.asked.head == f"GET https://x.example/send?{MASK}"
    assert '"status": 400' in told
    assert (found.at, found.took_ms) == (8_000_000, 500.0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Code 4930", {"4930"}),
        ("Code 49 30 21", {"493021"}),
        ("۴۹۳۰ کد شما", {"۴۹۳۰", "4930"}),
        ("Use A1B2-C3D4", {"A1B2", "C3D4"}),
        ("Your code: QXZP", {"QXZP"}),
    ],
)
def test_the_words_that_may_be_a_code(text: str, words: set[str]) -> None:
    assert words <= code_words(Content(text=text))
    assert text in code_words(Content(text=text))


# ── bounds, and what hides ───────────────────────────────────────────────────────────────────────────


def test_everything_is_bounded() -> None:
    said = Said(
        "x" * 9_000, tuple((f"n{at}", "v" * 9_000) for at in range(500)), "w" * 90_000, b"b" * 1_000_000
    )
    for masks in (Masks([]), Masks(["v" * 60])):
        found = side(said, masks)
        assert len(found.head) <= 2_000
        assert len(found.fields) == FIELDS_MAX
        assert max(len(value) for _, value in found.fields) <= FIELD_MAX
        assert (len(found.words), len(found.body)) == (SIDE_MAX, SIDE_MAX)
        assert (found.cut, found.size) == (True, 1_000_000)
    assert len(written(side(Said("x", body=bytes(1_000_000), binary=True), Masks([])))) < SIDE_MAX + 10


def test_octets_stay_what_they_were() -> None:
    assert side(Said("x", body=b"\x1f\x8b\x00z"), Masks([])).body == "\x1f\\x8b\x00z"
    assert side(Said("x", body=b"\x00\xff", binary=True), Masks([])).body == "00ff"
    assert side(Said("x", body="Привет".encode()), Masks([])).body == "Привет"
    assert side(Said("x", (("n", "a\udce9b"),)), Masks([])).fields == [("n", "a\\udce9b")]
    whole = side(Said("x", body=("é" * SIDE_MAX).encode()), Masks([]))
    assert (whole.body, whole.cut) == ("é" * SIDE_MAX, False)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\u202eb", "a\\u202eb"),
        ("\x00\x1b[31m", "\\u0000\\u001b[31m"),
        ("a\u2066b\u2069\ufeff", "a\\u2066b\\u2069\\ufeff"),
        ("سلام\u200cها\n\tb", "سلام\u200cها\n\tb"),  # a letter's own sign stays
    ],
)
def test_what_hides_is_written_out(text: str, shown: str) -> None:
    assert visible(text) == shown
