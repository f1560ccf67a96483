"""What the operators' commands share: who runs them."""

import getpass

from fts.audit.service import Actor


def operator() -> Actor:
    """Return the account of the operating system that runs a command."""
    return Actor("operator", name=getpass.getuser())
