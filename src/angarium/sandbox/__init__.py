"""Simulated operators, the phones behind them, and a new server's way to its first message."""
