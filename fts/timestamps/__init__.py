"""Timestamps over hashes and documents, and the verification of what an authority gave."""
