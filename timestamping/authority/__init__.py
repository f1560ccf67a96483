"""The timestamping authority: decisions, tokens from precomputed DER, HTTP door."""
