"""A module imports only from its own floor and from those below. The floors are read from
BLUEPRINT.md.
"""

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "miniserve"
BLUEPRINT = (PACKAGE / "BLUEPRINT.md").read_text(encoding="utf-8")


def read_floors(page: str) -> dict[str, int]:
    """The floor of every module and folder that the table names; the lowest where it is named
    twice.
    """
    table = page.split("| floor | modules |")[1].split("\n\n", maxsplit=1)[0]
    floors: dict[str, int] = {}
    for floor, row in enumerate(table.splitlines()[2:]):
        modules = row.split("|")[2]
        modules = re.sub(r"\(.*?\)", "", modules)  # what is inside a folder, and remarks
        for name in re.findall(r"`(\w+)/?`", modules):
            floors.setdefault(name, floor)
    return floors


FLOORS = read_floors(BLUEPRINT)


def top_name(path: Path) -> str:
    """The module or folder of the package that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(path: Path) -> set[str]:
    """The modules and folders of the package that a file imports, wherever in the file."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            pytest.fail(f"{path}: relative import")
        else:
            continue
        found |= {name.split(".")[1] for name in names if name.startswith("miniserve.")}
    return {name for name in found if (PACKAGE / name).is_dir() or is_module(name)}


def is_module(name: str) -> bool:
    return (PACKAGE / f"{name}.py").is_file()


#: All but the two of the package itself, which stand on no floor.
FILES = sorted(
    path for path in PACKAGE.rglob("*.py") if top_name(path) not in ("__init__", "__main__")
)


def test_the_table_is_read() -> None:
    assert FLOORS["model"] == FLOORS["tutor"] == 0
    assert FLOORS["app"] == 1
    assert FLOORS["worker"] == 2
    assert FLOORS["engine"] == FLOORS["scheduler"] == 3
    assert FLOORS["middleware"] == 7
    assert FLOORS["serve"] < FLOORS["widgets"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_from_its_floor_and_below(path: Path) -> None:
    name = top_name(path)
    assert name in FLOORS, f"BLUEPRINT.md's table of floors does not name {name}"
    too_high = {other for other in imports_of(path) - {name} if FLOORS[other] > FLOORS[name]}
    assert not too_high, f"{name} (floor {FLOORS[name]}) imports from above: {sorted(too_high)}"


def test_every_module_of_the_table_exists() -> None:
    missing = [name for name in FLOORS if not (PACKAGE / name).is_dir() and not is_module(name)]
    assert not missing


def test_a_violation_would_be_seen(tmp_path: Path) -> None:
    path = tmp_path / "low.py"
    path.write_text("def f():\n    from miniserve.serve import run\n    import miniserve.tutor\n")
    assert imports_of(path) == {"serve", "tutor"}
    path.write_text("from miniserve import app, problems, nothing\n")
    assert imports_of(path) == {"app", "problems"}
