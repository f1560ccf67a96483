"""Reports of security events as mails, with what FTS-GDPR-6 asks for."""

import smtplib
import ssl
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Final

from fts.configuration import Configuration, Mail
from fts.incidents.service import Incident, Kind, Phase

_SECONDS: Final = 20.0

NATURE: Final[dict[Kind, str]] = {
    "login_refused": "Requests came with credentials that are wrong.",
    "secret_withdrawn": "Requests came with a secret that was withdrawn.",
    "network_refused": "Requests came with valid credentials from a network that is not agreed.",
    "scope_refused": "A credential was used for what it may not do.",
    "foreign_data": "A client asked for data of another client.",
    "session_refused": "A request to the signing page came from another site.",
    "link_refused": "Signing links were tried that are not valid.",
    "document_changed": "A stored document is not the one that was uploaded.",
    "trail_tampered": "A record of the audit trail is not as it was written.",
    "trail_unavailable": "The audit trail took no records for a while.",
    "clock_jumped": "The clock of a machine jumped.",
}
"""What happened, by kind."""

_AT_THE_DOOR: Final = "None: refused before any data was read."

CONCERNED: Final[dict[Kind, str]] = {
    "login_refused": _AT_THE_DOOR,
    "secret_withdrawn": _AT_THE_DOOR,
    "network_refused": _AT_THE_DOOR,
    "scope_refused": _AT_THE_DOOR,
    "foreign_data": _AT_THE_DOOR,
    "session_refused": _AT_THE_DOOR,
    "link_refused": _AT_THE_DOOR,
    "document_changed": "The document named below; it was neither signed nor handed over.",
    "trail_tampered": "The record named below.",
    "trail_unavailable": "None: what cannot be recorded is not done.",
    "clock_jumped": "None.",
}
"""Which data, by kind."""

MEASURES: Final[dict[Kind, str]] = {
    "login_refused": "Every request was refused and recorded.",
    "secret_withdrawn": "Every request was refused and recorded; the secret stays withdrawn.",
    "network_refused": "Every request was refused and recorded.",
    "scope_refused": "Every request was refused and recorded.",
    "foreign_data": "Every request was refused and recorded.",
    "session_refused": "Every request was refused and recorded.",
    "link_refused": "Every request was refused and recorded.",
    "document_changed": "The work on the document was ended and recorded.",
    "trail_tampered": "The operator compares the trail with its last checkpoint.",
    "trail_unavailable": "Every request was refused; the process said that it is not ready.",
    "clock_jumped": "The process goes on by elapsed time and reports itself as not ready.",
}
"""What was done, by kind."""

STRUCTURAL: Final[dict[Kind, str]] = {
    "login_refused": "If these are not yours: ask the operator to rotate your secret and to narrow your networks.",
    "secret_withdrawn": "Find the system that still has the old secret; if there is none, it was stolen: tell us.",
    "network_refused": "If the address is yours, have it registered; if not, have your secret rotated at once.",
    "scope_refused": "Give each system a credential with the scopes that it needs.",
    "foreign_data": "The operator looks into it with the client that asked.",
    "session_refused": "None needed: the page's policy keeps other sites out.",
    "link_refused": "None needed: links carry 256 bits. Send signers a new link where theirs is damaged.",
    "document_changed": "The operator examines the object store and its credentials.",
    "trail_tampered": "The operator examines who has access to the database.",
    "trail_unavailable": "The operator examines the database and the space on its disk.",
    "clock_jumped": "The operator examines the time service of the machine.",
}
"""What prevents it from now on, by kind."""

_STATE: Final = {"opened": "began", "grown": "goes on", "ended": "has ended"}


def members(incident: Incident) -> dict[str, str]:
    """Return the facts of an incident, each under its heading."""
    end = "goes on" if incident.ended_at is None else f"no further attempt since {_utc(incident.ended_at)}"
    return {
        "Reference": incident.id,
        "Client": incident.client_id or "-",
        "Nature": NATURE[incident.kind],
        "Begin": _utc(incident.first_at),
        "Last attempt": _utc(incident.last_at),
        "Number of attempts": str(incident.count),
        "From": incident.address or "unknown",
        "What was tried": incident.concerned,
        "Data concerned": CONCERNED[incident.kind],
        "Measures taken": MEASURES[incident.kind],
        "End": end,
        "Structural measures": STRUCTURAL[incident.kind],
    }


def report_of(configuration: Configuration, incident: Incident, phase: Phase, recipients: list[str]) -> EmailMessage:
    """Return the mail about an incident; the same report has the same Message-ID."""
    mail = configuration.mail
    if mail is None:
        raise ValueError("no mail server is configured")
    message = EmailMessage()
    message["Subject"] = f"[{configuration.environment}] Security event {incident.id} {_STATE[phase]}: {incident.kind}"
    message["From"] = mail.sender
    message["To"] = ", ".join(recipients)
    message["Date"] = format_datetime(incident.last_at)
    domain = mail.sender.rpartition("@")[2].strip("> ")
    message["Message-ID"] = f"<{incident.id}.{phase}.{incident.count}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"
    facts = "\n".join(f"{name + ':':22} {_line(value)}" for name, value in members(incident).items())
    message.set_content(
        f"Security event at the trust service of {_line(configuration.operator)} ({configuration.environment}).\n\n"
        f"{facts}\n\n"
        "You get this because your address is registered for security events (GDPR art. 33).\n"
        "NL: Beveiligingsincident bij de vertrouwensdienst; de feiten staan hierboven.\n"
        "FR: Incident de sécurité auprès du service de confiance; les faits figurent ci-dessus.\n"
        "DE: Sicherheitsereignis beim Vertrauensdienst; die Angaben stehen oben.\n"
        f"Questions: {', '.join(mail.operators)}\n"
    )
    return message


def send(mail: Mail, message: EmailMessage) -> int:
    """Hand a mail to the server; return how many of its recipients the server refused.

    Raises:
        OSError: it was not taken, or for no recipient (smtplib's errors are among them).
    """
    with smtplib.SMTP(mail.host, mail.port, timeout=_SECONDS) as server:
        if mail.starttls:
            server.starttls(context=ssl.create_default_context(cafile=mail.ca_file))
        if mail.user is not None and mail.password_file is not None:
            server.login(mail.user, mail.password_file.read_text(encoding="utf-8").strip())
        return len(server.send_message(message))


def _utc(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _line(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)
