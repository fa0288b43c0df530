"""What the user sees while a command works, and how it is written."""
