"""Checks of what a seal provider returns. Empty until seals are built (FTS-SEAL-2)."""
