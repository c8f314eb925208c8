"""miniserve: a small inference server, built floor by floor. `BLUEPRINT.md` shows the house."""

import os

# One thread for the model's matrix products, unless somebody has said otherwise. They are so small
# that more threads spend their time waiting for each other, and for the web server's. NumPy reads
# this when it is first imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
