"""The REST edge: forms in, JSON out, errors as the official client libraries expect them."""
