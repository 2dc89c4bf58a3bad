"""Lines: one configured connection on a channel, with its classes, speed, window and price."""
