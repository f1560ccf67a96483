"""All tables, so that the metadata is complete."""

from fts.audit.models import chain, checkpoint, checkpoint_token, event, personal
from fts.clients.models import client, credential, usage
from fts.db.metadata import metadata
from fts.documents.models import destruction, document, preview
from fts.incidents.models import incident
from fts.jobs.models import job
from fts.signings.models import signing
from fts.timestamps.models import timestamp

__all__ = [
    "chain",
    "checkpoint",
    "checkpoint_token",
    "client",
    "credential",
    "destruction",
    "document",
    "event",
    "incident",
    "job",
    "metadata",
    "personal",
    "preview",
    "signing",
    "timestamp",
    "usage",
]
