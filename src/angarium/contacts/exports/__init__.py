"""Contacts as files: chosen, written beside the server, fetched, and gone after a day."""
