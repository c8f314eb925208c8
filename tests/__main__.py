"""`python -m tests`: the test files, then every notebook, cell by cell. The exit code tells all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent

STAGES = {
    "tests": ["tests"],
    "notebooks": [
        "--nbval",
        "--nbval-current-env",
        "--nbval-cell-timeout",
        "120",
        "notebooks",
    ],
}


def main(arguments: list[str]) -> int:
    """Run both stages, the second even if the first fails; `arguments` go to pytest in each."""
    failed = []
    for name, stage in STAGES.items():
        print(f"== {name}", flush=True)
        command = [sys.executable, "-m", "pytest", *stage, *arguments]
        if subprocess.run(command, cwd=ROOT, check=False).returncode != 0:
            failed.append(name)
    print(f"== failed: {', '.join(failed)}" if failed else "== all passed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
