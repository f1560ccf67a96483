"""`fts timestamp`: what can be done with RFC 3161 tokens on the command line."""

import typer

from fts.timestamps.create_command import create_command
from fts.timestamps.probe_command import probe_command
from fts.timestamps.records_command import records_command
from fts.timestamps.verify_command import verify_command

timestamp = typer.Typer(help="Timestamps (RFC 3161).", no_args_is_help=True)


@timestamp.callback()
def timestamp_group() -> None:
    """Timestamps (RFC 3161)."""


timestamp.command("create")(create_command)
timestamp.command("verify")(verify_command)
timestamp.command("records")(records_command)
timestamp.command("probe")(probe_command)
