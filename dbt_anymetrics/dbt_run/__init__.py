"""What dbt wrote and where: its artifacts, the project, the vars and templates of dbt."""
