"""The tables of campaigns and of their members, and one function for each query."""
