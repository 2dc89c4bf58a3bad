"""Notices: what people of a workspace should know of, told from the log of facts, and read."""
