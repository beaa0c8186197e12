"""What a drive does when it is asked: the boundary's answers, over any store and any blobs."""

from gateway.service.service import Service, open_service

__all__ = ["Service", "open_service"]
