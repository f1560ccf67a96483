"""The timestamping client: one authority, or several in order with fail-over."""

from timestamping.client.http import HttpTimestampSource

__all__ = ["HttpTimestampSource"]
