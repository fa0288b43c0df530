"""The memory of every refresh asked for, and the results artifact written at the end of a command."""
