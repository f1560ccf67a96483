"""The gateway: everything with state, HTTP or a command line; the composition root."""
