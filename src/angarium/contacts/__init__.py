"""Customers: addresses, fields, locale, time zone, and what they refused to receive."""
