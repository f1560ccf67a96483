"""The trail: one record for everything that happened, written in the transaction of what it records."""
