"""Refreshes on their way: in parallel, retried within a budget, and stopped by Ctrl-C without losing an outcome."""
