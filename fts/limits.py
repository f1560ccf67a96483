"""Every limit of the gateway's web and worker tier, in one place, with its unit."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class GatewayLimits:
    """Bounds on what the gateway takes and how long it tries; an operator may set them in the configuration."""

    document_bytes: int = 100 * 1024 * 1024
    """Largest upload, in octets."""
    json_bytes: int = 64 * 1024
    """Largest JSON body, in octets."""
    json_depth: int = 16
    """Deepest nesting of a JSON body."""
    certificate_bytes: int = 8 * 1024
    """Largest certificate, in octets of DER."""
    chain_certificates: int = 6
    """Most certificates that may come with the signer's."""
    upload_seconds: float = 300.0
    """Time for the body of an upload."""
    inspection_wait_seconds: float = 2.0
    """How long an upload waits for its inspection before it answers 202."""
    timestamp_wait_seconds: float = 5.0
    """How long an order of a document's timestamp waits for it before it answers 202."""
    preview_wait_seconds: float = 20.0
    """How long a request for a preview waits for it."""
    state_wait_seconds: float = 20.0
    """How long a request for the next state waits for it."""
    signing_seconds: int = 7200
    """Time that a signer has when the client says nothing."""
    signing_seconds_least: int = 60
    signing_seconds_most: int = 432_000
    finishing_seconds: float = 120.0
    """Budget for finishing after the signature value was accepted: timestamps, revocation data, checks."""
    crashes: int = 3
    """How often a job may end unforeseen before it is given up."""
    lease_seconds: float = 15.0
    """How long a job belongs to a worker that gives no sign of life."""
    retention_hours: int = 120
    """Longest life of a document after its upload (FTS-GDPR-1)."""
    orphan_age: timedelta = timedelta(minutes=45)
    """Age at which an object that nothing refers to is removed: with the search, within the shortest retention time."""
    trail_lag_seconds: float = 10.0
    """Age of an event that is not in the chain yet at which the node is not ready."""
    sweep_seconds: float = 15.0
    """Time between two sweeps."""
    orphan_sweep_seconds: float = 600.0
    """Time between two searches for such objects."""
    stop_seconds: float = 20.0
    """How long a worker that is asked to stop goes on with the jobs under way."""
    webhook_attempts: int = 10
    """Most deliveries of one message that are tried."""
    webhook_seconds: float = 10.0
    """Time that a client's server has to take a message."""
    client_connections: int = 200
    """Requests of one client that one web process serves at a time; more get 429."""
    client_uploads: int = 4
    """Uploads of one client that one web process takes in at a time; more wait for their turn."""
    connections: int = 1000
    """Requests that one web process serves at a time; more get 503."""


WEBHOOK_PAUSES = tuple(timedelta(seconds=s) for s in (2, 10, 60, 300, 1800, 7200, 18_000, 36_000, 43_200))
"""Pauses between the deliveries of a message that is not taken."""
