"""Guards over the saved notebooks; `pytest --nbval` runs them (see `python -m tests`)."""

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
PATHS = sorted(p for p in NOTEBOOKS.rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts)
CHAPTERS = [p for p in PATHS if p.parent == NOTEBOOKS]
MACHINE_PATH = re.compile(r"(/(home|root|work|Users|tmp|private|opt)/\w|[A-Z]:\\\\Users)")


def code_cells(path: Path) -> list[Any]:
    notebook = nbformat.read(path, as_version=4)
    return [c for c in notebook.cells if c.cell_type == "code" and c.source.strip()]


def output_texts(cell: Any) -> list[str]:
    texts = []
    for output in cell.outputs:
        texts.append(output.get("text", ""))
        for kind, data in output.get("data", {}).items():
            if not kind.startswith("image/png"):
                texts.append(str(data))
    return texts


def named(path: Path) -> str:
    return str(path.relative_to(NOTEBOOKS))


@pytest.fixture(params=PATHS, ids=named)
def path(request: pytest.FixtureRequest) -> Path:
    assert isinstance(request.param, Path)
    return request.param


@pytest.fixture(params=CHAPTERS, ids=named)
def chapter(request: pytest.FixtureRequest) -> Path:
    assert isinstance(request.param, Path)
    return request.param


def test_was_run_from_top_to_bottom(path: Path) -> None:
    counts = [cell.execution_count for cell in code_cells(path)]
    assert counts == list(range(1, len(counts) + 1))


def test_no_error_is_saved(path: Path) -> None:
    for cell in code_cells(path):
        assert all(output.output_type != "error" for output in cell.outputs), cell.source
        assert all(output.get("name") != "stderr" for output in cell.outputs), cell.source


def test_metadata_is_portable(path: Path) -> None:
    metadata = nbformat.read(path, as_version=4).metadata
    assert metadata.kernelspec.name == "python3"
    assert "widgets" not in metadata


def test_no_path_of_a_machine_in_the_outputs(path: Path) -> None:
    for cell in code_cells(path):
        for text in output_texts(cell):
            assert not MACHINE_PATH.search(text), text[:500]


def test_enough_cells_are_compared(path: Path) -> None:
    cells = code_cells(path)
    compared = [
        cell
        for cell in cells
        if cell.outputs
        and not {"nbval-ignore-output", "nbval-skip"} & set(cell.metadata.get("tags", []))
    ]
    assert len(compared) >= 3, f"only {len(compared)} of {len(cells)} cells are compared"


def test_no_cell_is_skipped(path: Path) -> None:
    for cell in code_cells(path):
        assert "nbval-skip" not in cell.metadata.get("tags", []), cell.source


def test_chapter_follows_the_rhythm(chapter: Path) -> None:
    cells = nbformat.read(chapter, as_version=4).cells
    prose = "\n".join(c.source for c in cells if c.cell_type == "markdown")
    assert 30 <= len(cells) <= 50
    assert "> 🇪🇸" in prose, "a Spanish summary opens the chapter"
    for word in ("Predict", "Exercise", "Recap"):
        assert word in prose, word
    assert "<details>" in prose, "hints and solutions are folded"
    longest = max(c.source.count("\n") + 1 for c in cells if c.cell_type == "code")
    assert longest <= 25, f"a code cell of {longest} lines"


def test_chapter_has_its_solutions(chapter: Path) -> None:
    if "Exercise" in chapter.read_text(encoding="utf-8"):
        assert (NOTEBOOKS / "solutions" / chapter.name).exists()


def test_links_lead_somewhere(path: Path) -> None:
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type != "markdown":
            continue
        for target in re.findall(r"\]\((?!https?://|#|mailto:)([^)#\s]+)", cell.source):
            assert (path.parent / target).exists(), target


@pytest.mark.parametrize("name", ["Makefile", "README.md", "environment.yml"])
def test_lab_is_started_where_links_to_the_source_can_be_opened(name: str) -> None:
    """Lab opens no file above its root, and without the option its root is `notebooks/`."""
    lines = (NOTEBOOKS.parent / name).read_text(encoding="utf-8").splitlines()
    starts = [line for line in lines if "jupyter lab" in line and "00_start_here" in line]
    assert starts
    assert all("--ServerApp.root_dir=. notebooks/" in line for line in starts)
