"""A domain: a corpus folder and the questions about it, loaded and checked before anything slow starts."""

from ragft.domain.domain import Domain, load_domain

__all__ = ["Domain", "load_domain"]
