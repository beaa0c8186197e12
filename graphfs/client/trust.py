"""Which servers are believed over TLS, and what is said when one is not. Certificates are always verified."""

import ssl
from pathlib import Path

from graphfs.errors import InvalidArgument


def context_for(ca_file: Path | None) -> ssl.SSLContext:
    """Verifies against the system's authorities, or against those of `ca_file` alone. InvalidArgument."""
    try:
        context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    except (OSError, ssl.SSLError) as error:
        raise InvalidArgument(f"{ca_file} holds no certificates (PEM): {error}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def refusal(host: str, error: ssl.SSLError) -> str:
    """Why a TLS connection did not come about, for people."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"the certificate of {host} is not trusted: {error.verify_message}; "
            "a private authority's certificate is given by network.ca_file"
        )
    return f"no TLS connection to {host}: {error.reason or error}"
