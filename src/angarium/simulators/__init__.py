"""Operators that speak the real protocols, each with a ledger of its own."""
