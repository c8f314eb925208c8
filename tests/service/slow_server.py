"""`python -m tests.service.slow_server`: all of `miniserve serve`, with the slow model in it."""

import functools
import sys

from miniserve import tutor
from miniserve.serve import build_app, open_client, run
from miniserve.settings import Settings
from miniserve.sockets import listen
from tests.service.slow_model import SlowModel, load_slow_core


def main() -> int:
    setattr(tutor, "Llama", SlowModel)  # noqa: B010 (what it replaces is not exported)
    settings = Settings()
    listener = listen(settings.host, settings.port)
    host, port = listener.getsockname()
    print(f"slow server on http://{host}:{port} ", file=sys.stderr, flush=True)
    app = build_app(settings, functools.partial(open_client, load_core=load_slow_core))
    return run(app, settings, listener)


if __name__ == "__main__":
    sys.exit(main())
