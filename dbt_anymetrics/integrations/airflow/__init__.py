"""Airflow: a connection, operators, and the callback of Cosmos."""
