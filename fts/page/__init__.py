"""The signing page: what the signer sees, in four languages."""
