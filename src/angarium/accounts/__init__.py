"""Workspaces, API keys and their scopes."""
