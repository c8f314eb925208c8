"""Run every notebook from top to bottom and save it with its outputs: `make notebooks [ONLY=04]`.

Widget state is not stored (a plotly widget's state is megabytes); panels carry a picture instead.
"""

import argparse
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"


def rerun(path: Path) -> None:
    """Execute one notebook in place; an error in a cell is raised and nothing is saved."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=180,
        kernel_name="python3",
        store_widget_state=False,
        resources={"metadata": {"path": str(path.parent)}},
    )
    client.execute()
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # time stamps, which would change at every run
    nbformat.write(notebook, path)


def main() -> int:
    """Re-run the notebooks whose names contain the given words, or all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("only", nargs="*", help="parts of names, such as 04 or solutions")
    only = parser.parse_args().only
    paths = sorted(p for p in NOTEBOOKS.rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts)
    for path in paths:
        name = str(path.relative_to(NOTEBOOKS))
        if only and not any(word in name for word in only):
            continue
        start = time.perf_counter()
        print(f"{name} …", end=" ", flush=True)
        rerun(path)
        print(f"{time.perf_counter() - start:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
