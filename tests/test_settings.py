"""Settings: where they come from, and what they refuse."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from miniserve.settings import Mode, Settings


def test_arguments_win_over_the_environment_and_that_over_defaults(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert Settings().max_num_seqs == 16
    monkeypatch.setenv("MINISERVE_MAX_NUM_SEQS", "4")
    monkeypatch.setenv("MINISERVE_MODE", "static")
    monkeypatch.setenv("MINISERVE_CHECKPOINT", "/somewhere")
    settings = Settings(mode=Mode.SYNC)
    assert (settings.max_num_seqs, settings.mode) == (4, "sync")
    assert settings.checkpoint == Path("/somewhere")


def test_every_setting_is_described() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert field.description.endswith("."), name


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mode", "quick"),
        ("port", 70_000),
        ("max_num_seqs", 0),
        ("num_speculative_tokens", -1),
        ("max_wait_s", -1),
        ("max_waiting", -1),
        ("request_timeout_s", 0),
        ("request_timeout_s", float("nan")),
        ("drain_timeout_s", -1),
        ("max_body_bytes", 0),
        ("rate_limit", -1),
        ("rate_limit_burst", 0),
        ("log_level", "loud"),
        ("engine_url", "ftp://here"),
        ("host", ""),
        ("forwarded_allow_ips", "my-proxy"),
        ("forwarded_allow_ips", "*,10.0.0.1"),
        ("forwarded_allow_ips", "10.0.0.1, 10.0.0.1/8"),
        ("no_such_setting", 1),
    ],
)
def test_a_value_out_of_bounds_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(ValidationError, match=name):
        Settings.model_validate({name: value})


def test_the_token_budget_covers_every_slot() -> None:
    with pytest.raises(ValidationError, match="max_num_batched_tokens"):
        Settings(max_num_seqs=64, max_num_batched_tokens=32)


def test_a_batch_does_not_wait_longer_than_a_request_may() -> None:
    with pytest.raises(ValidationError, match="max_wait_s"):
        Settings(mode=Mode.STATIC, max_wait_s=40)
    assert Settings(mode=Mode.CONTINUOUS, max_wait_s=40).max_wait_s == 40


def test_a_key_is_not_shown() -> None:
    settings = Settings.model_validate({"engine_api_key": "s3cret"})
    assert settings.engine_api_key is not None
    assert settings.engine_api_key.get_secret_value() == "s3cret"
    assert "s3cret" not in repr(settings)


@pytest.mark.parametrize("proxies", ["", "*", "10.0.0.1", "10.0.0.0/8, ::1, fd00::/8"])
def test_proxies_are_addresses_or_networks(proxies: str) -> None:
    assert Settings(forwarded_allow_ips=proxies).forwarded_allow_ips == proxies
    assert Settings(forwarded_allow_ips=f" {proxies} ").forwarded_allow_ips == proxies


def test_settings_do_not_change() -> None:
    settings = Settings()
    with pytest.raises(ValidationError):
        settings.port = 1
