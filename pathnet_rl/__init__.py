"""PathNet engine and the runner that trains curricula with it."""
