"""The gate: whether a message may go to this person, on this line, in these words, at this moment. Pure."""
