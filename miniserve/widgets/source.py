"""Show the package's own code in a notebook, as it is: never a copy of it."""

from __future__ import annotations

import inspect
import textwrap
from pathlib import Path
from typing import Any

from IPython.display import Markdown


def show_source(what: Any) -> Markdown:
    """Return the source of a function, class or module as Markdown, with its place in the package.

    Highlighted by JupyterLab in its own theme. `pytest --nbval` compares it, so that a saved
    notebook cannot show code that the package no longer has.
    """
    source = textwrap.dedent(inspect.getsource(what)).rstrip()
    file = Path(inspect.getfile(inspect.unwrap(what)))  # past a decorator such as contextmanager
    package = Path(__file__).parent.parent
    where = file.relative_to(package.parent) if file.is_relative_to(package) else file.name
    text = f"`{Path(where).as_posix()}`\n\n```python\n{source}\n```"
    return Markdown(text)  # type: ignore[no-untyped-call]
