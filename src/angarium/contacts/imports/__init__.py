"""Contacts from files: looked at, mapped, checked, written in batches, taken back."""
