"""Security events: counted, reported by mail to the operator and to the client concerned (FTS-GDPR-6)."""
