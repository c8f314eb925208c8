"""miniserve: a small inference server, built floor by floor. `BLUEPRINT.md` shows the house."""

import os

# One thread for the model's matrix products, unless somebody has said otherwise. They are so small
# that more threads spend their time waiting for each other, and for the web server's. NumPy reads
# this when it is first imported: the first with OpenBLAS, the second on a Mac.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("VECLIB_MAXIMUM_THREADS", "1")
