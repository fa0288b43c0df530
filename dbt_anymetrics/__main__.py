"""`python -m dbt_anymetrics`: the command line."""

from dbt_anymetrics.cli import main

if __name__ == "__main__":
    main(prog_name="dbt-anymetrics")
