"""Wire formats as pure functions and sans-I/O sessions: bytes in, events out."""
