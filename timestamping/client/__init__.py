"""The timestamping client: one authority, or several in order with fail-over."""
