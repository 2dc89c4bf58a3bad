"""Insight: what the console shows of the whole: the first page, with what needs a person."""
