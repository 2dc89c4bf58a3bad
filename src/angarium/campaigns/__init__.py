"""One template and cascade to an audience: in windows, at a pace, each member once."""
