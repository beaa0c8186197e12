"""Which addresses are on this machine. Light: asked without loading any model's library."""

import ipaddress
from urllib.parse import urlsplit


def is_local(base_url: str) -> bool:
    """Whether an endpoint is on this machine: what is sent there does not leave it."""
    host = urlsplit(base_url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
