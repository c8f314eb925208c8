"""What the two commands, conda and the lock file must agree on."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def normalised(requirement: str) -> str:
    """One spelling for a requirement: lower case, hyphens, no spaces."""
    return re.sub(r"\s+", "", requirement).lower().replace("_", "-").replace('"', "'")


def conda_lines() -> tuple[list[str], list[str]]:
    """The requirements of environment.yml: conda's own, and those left to pip."""
    text = (ROOT / "environment.yml").read_text().split("dependencies:\n")[1]
    conda, pip = text.split("  - pip:\n")
    return (
        [line.removeprefix("  - ") for line in conda.splitlines()],
        [line.strip().removeprefix("- ") for line in pip.splitlines()],
    )


def test_environment_yml_agrees_with_pyproject() -> None:
    conda, pip = conda_lines()
    conda.remove("pip")
    pip.remove("--no-deps --editable .")
    expected = {normalised(r) for r in PROJECT["dependencies"]}
    expected.add(normalised("python" + PROJECT["requires-python"].replace(" ", "")))
    assert {normalised(r) for r in conda + pip} == expected


def test_everything_that_is_imported_is_a_requirement() -> None:
    found: set[str] = set()
    for path in (ROOT / "miniserve").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module is not None:
                found.add(node.module.split(".")[0])
    others = found - set(sys.stdlib_module_names) - {"miniserve"}
    declared = {normalised(Requirement(r).name) for r in PROJECT["dependencies"]}
    packages = packages_distributions()
    missing = {
        name
        for name in others
        if not declared & {normalised(package) for package in packages.get(name, [])}
    }
    assert missing == set()


def test_lock_covers_every_requirement_with_hashes_and_names_no_host() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    pinned = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", lock, flags=re.M))
    wanted = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["test"]
    wanted += PROJECT["optional-dependencies"]["browser"]
    for requirement in map(Requirement, wanted):
        name = normalised(requirement.name)
        assert name in pinned, name
        assert requirement.specifier.contains(pinned[name]), requirement
    assert "://" not in lock
    assert lock.count("--hash=sha256:") > len(pinned)


def test_this_python_is_supported() -> None:
    assert PROJECT["requires-python"] == ">=3.11,<3.14"
    assert (3, 11) <= sys.version_info[:2] <= (3, 13)


def test_the_users_packages_are_direct_requirements() -> None:
    names = {re.split(r"[><=;\[ ]", r)[0] for r in PROJECT["dependencies"]}
    asked = "jupyterlab ipywidgets fastapi uvicorn nest-asyncio httpx numpy plotly nbval"
    assert set(asked.split()) <= names
    assert not names & {"vllm", "ray", "torch", "transformers", "text-generation"}
