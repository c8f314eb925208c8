"""Every setting of the server. Arguments win over `MINISERVE_…` variables, those over defaults."""

from __future__ import annotations

import ipaddress
import sys
from enum import StrEnum
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from miniserve.paths import TUTOR_DIR
from miniserve.tutor import MAX_TOKENS

#: The largest `max_waiting`, in requests.
LONGEST_QUEUE = 100_000
#: The largest `max_tokens`.
LONGEST_ANSWER = 65_536


class Mode(StrEnum):
    """How requests share the model."""

    SYNC = "sync"
    ASYNC = "async"
    STATIC = "static"
    CONTINUOUS = "continuous"


class Settings(BaseSettings):
    """The settings of one server. Times are in seconds, sizes in what their name says."""

    model_config = SettingsConfigDict(env_prefix="MINISERVE_", frozen=True, extra="forbid")

    mode: Mode = Field(
        default=Mode.CONTINUOUS,
        description="How requests share the model: sync, async, static or continuous. "
        "Another engine has a way of its own.",
    )
    host: str = Field(default="127.0.0.1", min_length=1, description="Address to listen on.")
    port: int = Field(
        default=8000, ge=0, le=65535, description="Port to listen on; 0 picks a free one."
    )
    checkpoint: Path = Field(default=TUTOR_DIR, description="Directory of the model's checkpoint.")

    max_num_seqs: int = Field(default=16, ge=1, le=256, description="Slots: requests in one step.")
    max_num_batched_tokens: int = Field(
        default=256, ge=1, le=65536, description="Token budget of one step (continuous)."
    )
    num_speculative_tokens: int = Field(
        default=0,
        ge=0,
        le=64,
        description="Tokens guessed ahead for a request while slots are free; 0: no guesses "
        "(continuous).",
    )
    max_wait_s: float = Field(
        default=0.005, ge=0, le=60, description="How long a batch waits to fill (static)."
    )
    max_waiting: int = Field(
        default=256,
        ge=0,
        le=LONGEST_QUEUE,
        description="Requests that may wait beyond those in a slot.",
    )
    max_tokens: int = Field(
        default=MAX_TOKENS, ge=1, le=LONGEST_ANSWER, description="Longest answer, in tokens."
    )
    engine_process: bool = Field(
        default=sys.platform != "win32",  # which cannot block signals for a child
        description="Run the engine in a process of its own (static, continuous).",
    )

    request_timeout_s: float = Field(
        default=30.0,
        gt=0,
        le=3600,
        description="Then a request gets a 504 (and one whose body does not come, a 408).",
    )
    drain_timeout_s: float = Field(
        default=10.0, ge=0, le=3600, description="How long a stopping server lets requests finish."
    )
    max_body_bytes: int = Field(
        default=16_384, ge=1, le=2**30, description="Larger request bodies get a 413."
    )
    rate_limit: float = Field(
        default=0.0,
        ge=0,
        le=1e6,
        description="Requests per second for each client address; 0: no limit.",
    )
    rate_limit_burst: int = Field(
        default=20, ge=1, le=1_000_000, description="Requests that a client may send at once."
    )
    forwarded_allow_ips: str = Field(
        default="",
        description="Proxies whose X-Forwarded-For is believed: addresses or networks, with commas "
        "between them; * for all.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least severe log line: debug, info, warning or error."
    )

    engine_url: str | None = Field(
        default=None,
        pattern="^https?://",
        description="Base URL of an OpenAI-compatible engine to use instead of the model in here.",
    )
    engine_api_key: SecretStr | None = Field(
        default=None, description="That engine's API key, sent as a bearer token."
    )
    model: str = Field(
        default="tutor",
        min_length=1,
        description="The model's name: on that engine, and in /v1/completions.",
    )

    @field_validator("forwarded_allow_ips")
    @classmethod
    def _check_proxies(cls, proxies: str) -> str:
        """Refuse what uvicorn would take for a name: then no proxy at all would be believed."""
        proxies = proxies.strip()
        if proxies != "*":  # which means everybody only if it stands alone
            for proxy in filter(None, map(str.strip, proxies.split(","))):
                ipaddress.ip_network(proxy)
        return proxies

    @model_validator(mode="after")
    def _check_wait(self) -> Settings:
        """Who waits alone for a batch to fill must be served before the time is up."""
        if self.mode is Mode.STATIC and self.max_wait_s >= self.request_timeout_s:
            raise ValueError(
                f"max_wait_s ({self.max_wait_s:g}) must be less than "
                f"request_timeout_s ({self.request_timeout_s:g})"
            )
        return self

    @model_validator(mode="after")
    def _check_budget(self) -> Settings:
        if self.max_num_batched_tokens < self.max_num_seqs:
            raise ValueError(
                f"max_num_batched_tokens ({self.max_num_batched_tokens}) must be at least "
                f"max_num_seqs ({self.max_num_seqs})"
            )
        return self
