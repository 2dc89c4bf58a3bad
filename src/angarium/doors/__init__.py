"""Doors that speak the shapes of other systems, so that their clients can be pointed at us unchanged."""
