"""Messages to clients' servers when a signing has ended (Standard Webhooks)."""
