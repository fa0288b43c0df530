"""The ways to call it besides the command line: the Python function and the on-run-end hook inside dbt."""
