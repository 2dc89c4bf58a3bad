"""Other gateways beside ours: the same operator, the same client, one run.

`python -m bench.peers` runs them; docs/howto/measure-it-yourself.md says how, and what it needs.
"""
