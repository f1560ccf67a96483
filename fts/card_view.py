"""The certificates of a card, as JSON and on the terminal."""

from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from fts.card import Choice
from fts.terminal import printable, readable_name


def choices_json(choices: Sequence[Choice]) -> list[dict[str, Any]]:
    """Return the certificates for `fts certificates --json`; the fields are stable.

    token, label; subject and issuer (RFC 4514), serial_number (hexadecimal), not_before and not_after (ISO 8601, UTC),
    all null where the certificate cannot be read; key (algorithm and bits); can_sign (there is a private key);
    for_signatures (and the key usage has contentCommitment).
    """
    return [_json(choice) for choice in choices]


def show_choices(console: Console, choices: Sequence[Choice]) -> None:
    """Print the certificates as a table."""
    table = Table("Token", "Label", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("Subject", overflow="fold")
    for heading in ("Key", "Valid until", "Signs"):
        table.add_column(heading, no_wrap=True)
    for choice in choices:
        certificate = choice.certificate
        table.add_row(
            printable(choice.entry.token_label),
            printable(choice.entry.label),
            readable_name(choice.subject),
            _key(choice),
            f"{certificate.not_valid_after_utc:%Y-%m-%d}" if certificate else "unknown",
            "yes" if choice.is_for_signatures else "no",
        )
    console.print(table)


def _json(choice: Choice) -> dict[str, Any]:
    certificate = choice.certificate
    return {
        "token": choice.entry.token_label,
        "label": choice.entry.label,
        "subject": choice.subject or None,
        "issuer": choice.issuer or None,
        "serial_number": f"{certificate.serial_number:x}" if certificate else None,
        "not_before": certificate.not_valid_before_utc.isoformat() if certificate else None,
        "not_after": certificate.not_valid_after_utc.isoformat() if certificate else None,
        "key": _key(choice),
        "can_sign": choice.entry.can_sign,
        "for_signatures": choice.is_for_signatures,
    }


def _key(choice: Choice) -> str:
    return f"{choice.entry.key_algorithm} {choice.entry.key_bits}"
