"""From artifacts to a plan: which nodes, which table names, which dates. Pure: nothing is read or sent here."""
