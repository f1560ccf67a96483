"""The register as tables: from configuration, clients and database roles, with the facts that the code makes true."""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fts.clients.service import Account
from fts.configuration import EEA, Configuration
from fts.db.roles import RIGHTS
from fts.errors import RefusalError


@dataclass(frozen=True, slots=True)
class Table:
    """A part of the register."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Register:
    """The register at a moment."""

    title: str
    environment: str
    made_at: datetime
    tables: tuple[Table, ...]


class SubProcessor(BaseModel):
    """Who processes for the operator."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(min_length=1, max_length=200)]
    service: Annotated[str, Field(min_length=1, max_length=200)]
    place: Annotated[str, Field(pattern="^[A-Z]{2}$")]
    agreement: Annotated[str, Field(min_length=1, max_length=200)]


class Staff(BaseModel):
    """Who of the operator's people may do what (FTS-GDPR-4, FTS-GDPR-5)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(min_length=1, max_length=200)]
    """A person, or a function that a list of its own names."""
    may: Annotated[str, Field(min_length=1, max_length=300)]
    because: Annotated[str, Field(min_length=1, max_length=300)]
    """The task that needs it."""
    authentication: Annotated[str, Field(min_length=1, max_length=200)]
    reviewed_on: date


class People(BaseModel):
    """The reviewed file: who else takes part."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    subprocessors: tuple[SubProcessor, ...] = ()
    staff: tuple[Staff, ...] = ()


PROCESSING: Final = (
    (
        "Signing of documents with an eID card",
        "To carry out the controller's instruction (agreement); GDPR art. 28(3)(a)",
        "Signers; persons named in documents",
    ),
    ("Keeping documents until they are fetched", "The same", "Signers; persons named in documents"),
    (
        "Audit trail of transactions",
        "Evidence of trust services (eIDAS art. 24(2)(h)); agreement",
        "Signers; staff of controllers and operator",
    ),
    ("Detection and report of unauthorised access", "GDPR art. 32 and 33", "Whoever tries; contact persons"),
)
"""Category, purpose with basis, data subjects."""

DATABASE: Final = {
    "client": (
        "what is agreed with a controller, its contact persons",
        "contract, and ten years as evidence; of persons only addresses for security events after its end",
    ),
    "credential": ("keyed hashes of secrets", "as client"),
    "usage": ("counts of requests", "the current day"),
    "document": ("state, size, digest; sealed: file name, findings", "as the document"),
    "preview": ("names of drawn pages", "as the document"),
    "signing": (
        "state, digests; sealed: who signs, certificate, signature, state of the controller",
        "as the document",
    ),
    "document_timestamp": ("state, digests, time and authority of a timestamp on a document", "as the document"),
    "destruction": ("names of keys and objects that are being destroyed", "until they are, seconds"),
    "job": ("identifiers of work to be done", "a day after it was done"),
    "event": ("what happened when, identifiers and digests", "ten years"),
    "personal": ("address and identification number of an event, sealed", "ten years; removable before"),
    "chain": ("hashes", "ten years"),
    "checkpoint": ("hashes", "ten years"),
    "checkpoint_token": ("timestamps over hashes", "ten years"),
    "incident": ("counts; sealed: address and what was tried", "ten years"),
}
"""Table to what it holds and how long."""

MEASURES: Final = (
    ("One key for each document, deleted with it; no backup holds it", "FTS-GDPR-1"),
    ("Encryption of objects and personal members at rest (AES-256-GCM)", "FTS-SEC-3"),
    ("TLS for clients, signers, stores and mail", "FTS-SEC-1"),
    ("Credential, source network, scope and capacity decided before a request is read", "FTS-ENV-4"),
    ("Database roles with least rights; nobody may change the trail", "FTS-GDPR-5"),
    ("Hash chain over the trail, timestamped every minute (RFC 3161)", "FTS-AUD-2"),
    ("Unauthorised access recorded and reported by mail at once", "FTS-GDPR-6"),
    ("Documents are read in processes of their own with limits of the kernel", "FTS-SEC-4"),
)
"""Technical and organisational measures (GDPR art. 32) and what they fulfil."""


def load_people(path: Path | None) -> People:
    """Read the file of sub-processors and staff.

    Raises:
        RefusalError: PEOPLE_INVALID.
    """
    if path is None:
        return People()
    remedy = "Correct the file; docs/register.md shows its form."
    try:
        found = People.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        faults = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise RefusalError("PEOPLE_INVALID", f"{path.name}: {faults}", remedy) from error
    outside = [one.name for one in found.subprocessors if one.place not in EEA]
    if outside:
        raise RefusalError("PEOPLE_INVALID", f"{outside[0]} is outside the EEA (FTS-GDPR-7)", remedy)
    return found


def build(
    configuration: Configuration,
    accounts: dict[str, Account],
    secrets: dict[str, int],
    people: People,
    made_at: datetime,
) -> Register:
    """Return the register; `secrets` counts each client's live credentials."""
    place = configuration.place
    stores = configuration.objects.place if configuration.objects else place
    contact = ", ".join(configuration.mail.operators) if configuration.mail else "-"
    kept = tuple((f"database: {name}", what, how_long, place) for name, (what, how_long) in DATABASE.items())
    return Register(
        f"Register of processing activities: {configuration.operator}",
        configuration.environment,
        made_at,
        (
            Table("Processor", ("name", "contact"), ((configuration.operator, contact),)),
            Table(
                "Controllers",
                ("controller", "agreement", "contacts", "documents kept", "place", "state"),
                tuple(_controller(account) for account in accounts.values()),
            ),
            Table("Categories of processing", ("processing", "purpose and basis", "data subjects"), PROCESSING),
            Table(
                "Data, retention and places",
                ("store", "data", "kept", "place"),
                (
                    ("objects", "originals, results, previews; encrypted", "controller's time, at most 120 h", stores),
                    ("key store", "wrapped keys of documents", "as the document; in no backup", place),
                    ("spool", "documents while a process reads them", "seconds", place),
                    *kept,
                    (
                        "backups",
                        "database and objects, unreadable without the key store",
                        "set by the operator",
                        ", ".join(configuration.backup_places) or "none declared",
                    ),
                    ("logs", "references and error classes, no contents", "set by the operator", place),
                    ("mails", "reports of security events", "set by the recipients", place),
                ),
            ),
            Table("Transfers to third countries", ("transfer",), _transfers(configuration)),
            Table(
                "Sub-processors",
                ("name", "service", "place", "agreement"),
                tuple((s.name, s.service, s.place, s.agreement) for s in people.subprocessors)
                or (("none", "", "", ""),),
            ),
            Table(
                "Rights of staff",
                ("who", "may", "because", "authentication", "reviewed on"),
                tuple((s.name, s.may, s.because, s.authentication, s.reviewed_on.isoformat()) for s in people.staff)
                or (("none stated here", "", "", "", ""),),
            ),
            Table("Rights of processes", ("role", "table", "rights"), tuple(_rights())),
            Table(
                "Rights of controllers",
                ("controller", "live secrets", "scopes of the first"),
                tuple(
                    (client_id, str(secrets.get(client_id, 0)), ", ".join(account.definition.scopes))
                    for client_id, account in accounts.items()
                ),
            ),
            Table("Measures (art. 32)", ("measure", "requirement"), MEASURES),
        ),
    )


def _transfers(configuration: Configuration) -> tuple[tuple[str, ...], ...]:
    outside = sorted(configuration.places - EEA)
    if not outside:
        return (("None: every place is in the EEA (FTS-GDPR-7).",),)
    return tuple((f"Data is kept in {place}, outside the EEA; PROD refuses this (FTS-GDPR-7).",) for place in outside)


def _controller(account: Account) -> tuple[str, ...]:
    agreed = account.definition
    contacts = "; ".join(f"{contact.role}: {contact.name} <{contact.mail}>" for contact in agreed.contacts)
    state = "offboarded" if account.offboarded_at else "suspended" if account.suspended_at else "active"
    return (
        f"{agreed.name} ({agreed.id})",
        f"{agreed.agreement}, {agreed.agreed_on.isoformat()}",
        contacts,
        f"{agreed.retention_hours} h",
        agreed.place,
        state,
    )


def _rights() -> Iterable[tuple[str, str, str]]:
    for role, tables in RIGHTS.items():
        for table, rights in tables.items():
            yield role, table, ", ".join(rights)
