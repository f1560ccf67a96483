"""All tables, so that the metadata is complete."""

from fts.audit.models import event
from fts.clients.models import client
from fts.db.metadata import metadata
from fts.documents.models import document, preview
from fts.jobs.models import job
from fts.signings.models import signing

__all__ = ["client", "document", "event", "job", "metadata", "preview", "signing"]
