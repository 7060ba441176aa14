"""Bugs planted into real processes, to see that the checker finds each of them."""
