"""Settings: environment before file before defaults, and every wrong one named with its remedy."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from angarium import config
from angarium.config import PREFIX, Settings, help_of, load
from angarium.core.problems import Problem

NAMES = [field.name for field in msgspec.structs.fields(Settings)]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to stand in: a file of the developer's is not read."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(folder: Path, text: str, name: str = "settings.toml") -> Path:
    """A file with this text."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_without_anything_the_defaults_hold() -> None:
    assert load(None, {}) == Settings()


def test_the_environment_wins_over_the_file(elsewhere: Path) -> None:
    path = written(elsewhere, 'port = 8081\nhost = "0.0.0.0"\n')
    settings = load(path, {"ANGARIUM_PORT": "8082"})
    assert (settings.port, settings.host, settings.node) == (8082, "0.0.0.0", 0)


def test_the_file_of_the_folder_is_read_when_none_is_named(elsewhere: Path) -> None:
    written(elsewhere, "port = 8081\n", str(config.DEFAULT_FILE))
    assert load(None, {}).port == 8081


def test_the_environment_is_that_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANGARIUM_NODE", "7")
    assert load().node == 7


FROM_ENVIRONMENT = [
    ("port", "0", 0),
    ("port", "65535", 65_535),
    ("public_url", "", ""),
    ("public_url", "https://msg.example.com/angarium", "https://msg.example.com/angarium"),
    ("allow_private", "", ()),
    ("allow_private", "127.0.0.1:2775", ("127.0.0.1:2775",)),
    ("allow_private", " 127.0.0.1:2775 , 10.0.0.7:80,", ("127.0.0.1:2775", "10.0.0.7:80")),
    ("log_level", "debug", "debug"),
]


@pytest.mark.parametrize(("name", "text", "value"), FROM_ENVIRONMENT)
def test_a_setting_from_the_environment(name: str, text: str, value: object) -> None:
    assert getattr(load(None, {PREFIX + name.upper(): text}), name) == value


WRONG = [  # name, value; what the problem says
    ("port", "65536", "<= 65535"),
    ("port", "-1", ">= 0"),
    ("port", "http", "Expected `int`"),
    ("port", "", "Expected `int`"),
    ("node", "256", "<= 255"),
    ("body_max_bytes", "10", ">= 1024"),
    ("public_url", "msg.example.com", "matching regex"),
    ("public_url", "https://", "matching regex"),
    ("public_url", "https://a b", "matching regex"),
    ("log_level", "loud", "matching regex"),
    ("log_level", "infos", "matching regex"),
    ("log_format", "xml", "matching regex"),
]


@pytest.mark.parametrize(("name", "value", "problem"), WRONG)
def test_a_wrong_setting_is_named_with_its_remedy(name: str, value: str, problem: str) -> None:
    with pytest.raises(Problem) as raised:
        load(None, {PREFIX + name.upper(): value})
    (wrong,) = raised.value.fields
    assert (wrong.field, wrong.value, wrong.remedy) == (name, value, help_of(name))
    assert problem in wrong.problem
    assert name in raised.value.detail


def test_everything_wrong_is_told_at_once(elsewhere: Path) -> None:
    path = written(elsewhere, 'prot = 1\nport = "x"\nallow_private = [1]\n[log]\nlevel = "debug"\n')
    with pytest.raises(Problem) as raised:
        load(path, {"ANGARIUM_NODE": "-1"})
    assert {wrong.field for wrong in raised.value.fields} == {"prot", "port", "allow_private", "log", "node"}
    misspelt = next(wrong for wrong in raised.value.fields if wrong.field == "prot")
    assert misspelt.remedy == "one of " + ", ".join(NAMES)


FILES = [  # what stands where the file should be; what the problem says
    (None, "No such file"),
    ("folder", "directory"),
    (b"port = \n", "is not TOML"),
    (b"port: 8080\n", "is not TOML"),
    (b"\xff\xfe", "is not TOML"),
]


@pytest.mark.parametrize(("there", "problem"), FILES)
def test_a_file_that_cannot_be_read(there: str | bytes | None, problem: str, elsewhere: Path) -> None:
    path = elsewhere / "settings.toml"
    if there == "folder":
        path.mkdir()
    elif isinstance(there, bytes):
        path.write_bytes(there)
    with pytest.raises(Problem, match=problem) as raised:
        load(path, {})
    assert raised.value.fields[0].remedy


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_has_its_help_and_a_default_that_passes_its_check(name: str) -> None:
    assert help_of(name).endswith(".")
    field = next(field for field in msgspec.structs.fields(Settings) if field.name == name)
    assert msgspec.convert(field.default, type=field.type) == field.default


def test_no_two_settings_have_the_same_help() -> None:
    assert len({help_of(name) for name in NAMES}) == len(NAMES)
    assert help_of("port").startswith("Port to listen on")


def test_settings_do_not_change() -> None:
    with pytest.raises(AttributeError):
        load(None, {}).port = 1  # type: ignore[misc]  the very thing that is refused


STRANGERS = [
    ("ANGARIUM_PORTT", "ANGARIUM_PORT"),
    ("ANGARIUM_DATABSE", "ANGARIUM_DATABASE"),
    ("ANGARIUM_NATS_SERVER", "ANGARIUM_NATS_SERVERS"),
    ("angarium_port", "ANGARIUM_PORT"),  # names of variables are told apart by case
    ("ANGARIUM_QQQQQQQQ", ""),
]


@pytest.mark.parametrize(("name", "nearest"), STRANGERS)
def test_a_variable_that_sets_nothing_is_found_with_the_nearest_that_does(name: str, nearest: str) -> None:
    assert config.strangers({name: "1", "ANGARIUM_HOST": "::1", "PATH": "/bin"}) == [(name, nearest)]


def test_what_others_read_is_no_stranger() -> None:
    names = {
        "ANGARIUM_URL",
        "ANGARIUM_API_KEY",
        "ANGARIUM_TEST_DAY",
        *(PREFIX + one.upper() for one in NAMES),
    }
    assert config.strangers(dict.fromkeys(names, "")) == []
