"""What machines say to one another: leases, wake-ups, logs, live fan-out."""
