"""What all routes share: the outermost layer, problems, strict JSON, credentials, ranges."""
