"""The heart: a message from acceptance to its one final state."""
