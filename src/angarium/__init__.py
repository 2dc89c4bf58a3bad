"""Angarium: a self-hosted customer-communications server."""

__version__ = "0.1.0"
