"""Where a setting comes from, and the one sentence that stops a start."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from midcall.settings import (
    Settings,
    SettingsError,
    is_loopback,
    is_weak,
    load,
    names,
    sentence,
    takes,
    unknown_variables,
)

EVERYWHERE = "0.0.0.0"  # noqa: S104  # nothing binds it
STRONG = "9f8b2c4d6e1a7053f1e2d3c4b5a69788"


def refusal(
    flags: dict[str, object] | None = None, environ: dict[str, str] | None = None, file: Path | None = None
) -> str:
    with pytest.raises(SettingsError) as refused:
        load(flags, environ, file)
    return str(refused.value)


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    file = tmp_path / "midcall.toml"
    file.write_text('port = 1003\nlog_level = "error"\nhostnames = ["voice.example.org"]\n')
    return file


def test_a_flag_wins_over_the_environment_that_over_the_file_that_over_the_default(toml: Path) -> None:
    assert load().port == 8443
    assert load(file=toml).port == 1003
    assert load(environ={"MIDCALL_PORT": "1002"}, file=toml).port == 1002
    assert load({"port": "1001"}, {"MIDCALL_PORT": "1002"}, toml).port == 1001


def test_what_is_not_given_falls_through(toml: Path) -> None:
    settings = load({"port": None, "mode": None}, {"MIDCALL_PORT": "", "HOME": "/root"}, toml)
    assert (settings.port, settings.log_level, settings.mode) == (1003, "error", "dev")
    assert settings.hostnames == ("voice.example.org",)


def test_lists_in_the_environment_are_separated_by_commas() -> None:
    settings = load(environ={"MIDCALL_ALLOW_NETWORKS": "10.0.0.0/8, fd00::/8,"})
    assert settings.allow_networks == ("10.0.0.0/8", "fd00::/8")


def test_the_drain_time_depends_on_the_mode_until_it_is_set() -> None:
    assert load().drain == 0
    assert load({"mode": "production"}).drain == 30
    assert load({"mode": "production", "drain_s": "2.5"}).drain == 2.5


@pytest.mark.parametrize(
    ("name", "value", "works"),
    [
        ("port", "99999", "a whole number from 0 to 65535"),
        ("port", "eighty", "a whole number from 0 to 65535"),
        ("mode", "prod", "dev or production"),
        ("drain_s", "-1", "a number from 0 to 86400"),
        ("media_addresses", "1.2.3.4, here", "a list of IP addresses of this machine"),
        ("allow_networks", "10.1.0.1/8", "a list of networks such as 10.1.0.0/16"),
        ("webhook_ca_file", "/nowhere/ca.pem", "the path of a PEM file"),
        ("account_sid", "AC1", "AC and 32 lower-case hex digits"),
        ("voice_url", "example.org", "an http or https URL"),
        ("hostnames", "a b", "a list of host names and IP addresses"),
        ("edge", "a.b", "1 to 64 letters, digits, - and _"),
    ],
)
def test_an_unusable_value_is_named_with_its_origin_and_what_would_work(name: str, value: str, works: str) -> None:
    text = refusal(environ={f"MIDCALL_{name.upper()}": value})
    assert text.startswith(f"{name} = {value!r} (from MIDCALL_{name.upper()}) cannot be used")
    assert text.endswith(f"it takes {works}")
    assert "\n" not in text


def test_a_flag_is_named_as_it_was_written() -> None:
    assert refusal({"http_port": "-1"}).startswith("http_port = '-1' (from --http-port) cannot be used")
    assert refusal({"drain_s": "x"}).startswith("drain_s = 'x' (from --set drain_s) cannot be used")


def test_a_file_has_toml_types_so_a_quoted_number_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text('port = "8443"\n')
    assert f"(from {file})" in refusal(file=file)


def test_an_unknown_key_of_the_file_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text("prot = 1\n")
    assert refusal(file=file) == f"unknown setting prot = 1 in {file}: did you mean port?"


@pytest.mark.parametrize("content", [b"port = \n", b"\xff\xfe"])
def test_a_file_that_is_not_toml_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "s.toml"
    file.write_bytes(content)
    assert refusal(file=file).startswith(f"the settings file {file} is not TOML")


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    assert "no.toml cannot be read" in refusal(file=tmp_path / "no.toml")


def test_another_host_than_loopback_needs_mode_production() -> None:
    assert "use mode production" in refusal({"host": EVERYWHERE})
    assert load({"host": EVERYWHERE, "mode": "production"}).host == EVERYWHERE
    assert load({"host": "::1"}).host == "::1"


def test_production_refuses_weak_secrets_and_does_not_print_them() -> None:
    for name in ("auth_token", "api_key_secret", "metrics_token"):
        text = refusal({"mode": "production", name: "hunter2"})
        assert name in text
        assert "hunter2" not in text
        assert getattr(load({"mode": "production", name: STRONG}), name) == STRONG
        assert getattr(load({"mode": "dev", name: "hunter2"}), name) == "hunter2"


@pytest.mark.parametrize(
    ("secret", "weak"),
    [
        (STRONG, False),
        ("", True),
        ("short", True),
        ("a" * 64, True),
        ("0123456789abcdef" * 2, True),
        ("abcd" * 8, True),
    ],
)
def test_a_secret_is_weak_when_it_is_short_or_repeats_itself(secret: str, weak: bool) -> None:
    assert is_weak(secret) is weak


def test_ports_that_contradict_each_other_are_refused() -> None:
    assert "http_port" in refusal({"port": "8080"})
    assert "media_port_max" in refusal({"media_port_min": "10000"})
    assert "media_port_max" in refusal({"media_port_min": "10000", "media_port_max": "9000"})
    assert load({"port": "0", "http_port": "0"}).port == 0


def test_secrets_do_not_show_in_the_representation() -> None:
    assert STRONG not in repr(load({"auth_token": STRONG, "api_key_secret": STRONG, "metrics_token": STRONG}))


def test_variables_that_are_no_setting_are_found() -> None:
    environ = {"MIDCALL_PORT": "1", "MIDCALL_CONFIG": "x", "MIDCALL_PROT": "1", "PORT": "2"}
    assert unknown_variables(environ) == ["MIDCALL_PROT"]


def test_every_setting_has_a_default_and_a_sentence() -> None:
    assert load() == Settings()
    for name in names():
        assert sentence(name).endswith("."), name
        assert takes(name), name


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), (EVERYWHERE, False), ("box", False)],
)
def test_loopback_is_told_from_other_hosts(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_toml_can_hold_every_default(tmp_path: Path) -> None:
    from midcall.cli.settings import example_file

    lines = [line.removeprefix("# ") for line in example_file().splitlines() if " = " in line]
    file = tmp_path / "all.toml"
    file.write_text("\n".join(line for line in lines if line.split(" = ")[0] in names()))
    assert set(tomllib.loads(file.read_text())) == set(names())
    assert load(file=file).port == Settings().port
