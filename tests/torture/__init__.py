"""Real processes under a seeded schedule of faults; afterwards the books must be whole."""
