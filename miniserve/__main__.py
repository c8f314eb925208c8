"""`python -m miniserve` is `miniserve`."""

from miniserve.cli import main

main()
