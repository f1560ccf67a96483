"""Paths, revocation data and what a signature still lacks to be valid offline."""
