"""What the operators' commands share: who runs them."""

import getpass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fts.audit.service import Actor


def operator() -> "Actor":
    """Return the account of the operating system that runs a command."""
    from fts.audit.service import Actor  # noqa: PLC0415 - the database's library takes its time, also for `fts sign`

    return Actor("operator", name=getpass.getuser())
