"""Servers beside one another: what each says of itself, and how all of them are doing."""
