"""How fast and how small: each subject against its real peers, on the same input, in the same run. `make bench`."""
