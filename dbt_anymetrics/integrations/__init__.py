"""The ways in beside the command line: the Python function and the on-run-end hook inside dbt."""
