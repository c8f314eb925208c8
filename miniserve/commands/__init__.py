"""The commands of `miniserve`, one module each; `miniserve.cli` mounts them."""
