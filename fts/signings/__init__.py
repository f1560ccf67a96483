"""Signings: one signer, one document, one signature."""
