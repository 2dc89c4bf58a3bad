"""The ASGI application: every room's API and pages on one address."""
