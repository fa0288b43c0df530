"""AnyMetrics itself: where it is, how it is called, and what its answers mean. No other folder knows its API."""
