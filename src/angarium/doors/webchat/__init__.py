"""The door of visitors: pages of one's own site, and one's own app, both ways over plain HTTP."""
