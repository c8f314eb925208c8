"""A JupyterLab of its own for the tests: its process, its private folders, its REST interface."""

import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

START_S = 120.0
REST_S = 60.0
TOKEN = "browser-tests"


class JupyterLab:
    """A JupyterLab of its own, that shares no file with the user's. A context manager."""

    def __init__(self, root: Path, private: Path) -> None:
        self.root = root
        self._private = private
        self._process: subprocess.Popen[bytes] | None = None
        self._info: dict[str, Any] = {}

    def __enter__(self) -> "JupyterLab":
        folders = {
            f"JUPYTER_{name}_DIR": self._private / name.lower()
            for name in ("CONFIG", "DATA", "RUNTIME")
        }
        for folder in folders.values():
            folder.mkdir(parents=True, exist_ok=True)
        settings = self._private / "config" / "lab" / "user-settings"
        _switch_off_news(settings)
        command = [
            *(sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root"),
            f"--ServerApp.root_dir={self.root}",
            "--ServerApp.ip=127.0.0.1",
            "--ServerApp.port=0",
            f"--IdentityProvider.token={TOKEN}",
            f"--LabApp.user_settings_dir={settings}",
            f"--LabApp.workspaces_dir={self._private / 'workspaces'}",
            "--LabApp.expose_app_in_browser=True",
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        ]
        self.log = self._private / "jupyterlab.log"
        environment = {
            **os.environ,
            **{name: str(folder) for name, folder in folders.items()},
            # The notebooks import the package and, in the tests' own notebooks, the tests.
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "OPENBLAS_NUM_THREADS": "1",
        }
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, env=environment
            )
        self._info = self._wait_for_server(self._private / "runtime")
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(20)

    def url(self, notebook: str) -> str:
        """The address of a notebook alone on the page."""
        return f"{self._origin}/doc/tree/{notebook}?token={TOKEN}&reset"

    def log_tail(self, lines: int = 5) -> list[str]:
        """The last lines that JupyterLab has logged."""
        return self.log.read_text(errors="replace").splitlines()[-lines:]

    def shut_kernels_down(self) -> None:
        """End every kernel, whatever has become of the page that used it."""
        for session in self._rest("GET", "api/sessions"):
            self._rest("DELETE", f"api/sessions/{session['id']}")

    @property
    def _origin(self) -> str:
        return f"http://127.0.0.1:{self._info['port']}"

    def _rest(self, method: str, path: str) -> Any:
        request = urllib.request.Request(
            f"{self._origin}/{path}", method=method, headers={"Authorization": f"token {TOKEN}"}
        )
        # Proxies from the environment have no business between a test and its own server.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=REST_S) as response:
            body = response.read()
        return json.loads(body) if body else None

    def _wait_for_server(self, runtime: Path) -> dict[str, Any]:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            assert self._process is not None
            assert self._process.poll() is None, self.log.read_text()
            for path in runtime.glob("jpserver-*.json"):
                with contextlib.suppress(ValueError):  # it may be half written
                    info: dict[str, Any] = json.loads(path.read_text())
                    return info
            time.sleep(0.1)
        raise TimeoutError(f"JupyterLab did not start:\n{self.log.read_text()}")


def _switch_off_news(settings: Path) -> None:
    folder = settings / "@jupyterlab" / "apputils-extension"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "notification.jupyterlab-settings").write_text(
        json.dumps({"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True})
    )
