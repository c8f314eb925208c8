"""What measured numbers depend on: the machine, the libraries, and the checkpoint."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import threadpoolctl

from miniserve.paths import TUTOR_DIR

_PACKAGES = ("miniserve", "numpy", "tokenizers", "fastapi", "uvicorn", "uvloop", "httptools")


def machine(checkpoint: Path = TUTOR_DIR) -> dict[str, str]:
    """Processor, cores, system, versions, BLAS kernel, checkpoint. No names, no paths."""
    blas = [
        f"{library['internal_api']} {library.get('version')} {library.get('architecture', '')}, "
        f"threads: {library['num_threads']}"
        for library in threadpoolctl.threadpool_info()
        if library["user_api"] == "blas"
    ]
    weights = (checkpoint / "model.safetensors").read_bytes()
    return {
        "processor": processor(),
        "cores": f"{os.cpu_count()} logical",
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: found for name in _PACKAGES if (found := _version(name))},
        "blas": ", ".join(blas).strip() or "unknown",
        "checkpoint": f"sha256 {hashlib.sha256(weights).hexdigest()[:12]}",
    }


def now() -> str:
    """Date and time, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def load_average() -> float | None:
    """Processes that wanted to run, on average over the last minute; None where nobody counts."""
    try:
        return round(os.getloadavg()[0], 1)
    except (AttributeError, OSError):
        return None


def processor() -> str:
    """The processor's model name."""
    try:
        info = Path("/proc/cpuinfo").read_text(encoding="utf-8")
        return model_name(info) or platform.machine()
    except OSError:
        pass
    try:
        ask = ["sysctl", "-n", "machdep.cpu.brand_string"]
        said = subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        said = ""
    return said or platform.processor() or platform.machine()


def model_name(cpuinfo: str) -> str:
    """Read the model out of Linux's `/proc/cpuinfo`: its name, and the numbers of family and
    model where the name says little (virtual machines); empty if there is none.
    """
    lines = cpuinfo.split("\n\n", maxsplit=1)[0].splitlines()
    split = [line.partition(":") for line in lines]
    fields = {key.strip(): value.strip() for key, _, value in split}
    name = fields.get("model name", "")
    numbers = [f"{key} {fields[key]}" for key in ("cpu family", "model") if key in fields]
    return f"{name} ({', '.join(numbers)})" if name and numbers else name


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
