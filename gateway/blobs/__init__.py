"""Where larger bytes are kept, under their SHA-256. `base` is the protocol, one module an engine."""
