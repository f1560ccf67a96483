"""Relying parties: their accounts, secrets and addresses."""
