"""Campaigns: many people, once each, at the right hour."""
