"""How fast the path of a message is: accepted, sent over SMPP, answered, reported, recorded.

`python -m bench` runs it; docs/performance.md says how it is measured and what came out.
"""
