"""Tables of the heart and one function per query: cascades, messages, attempts, and what came in."""
