"""Reading untrusted XML and canonicalising it."""
