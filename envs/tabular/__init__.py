"""Small environments whose model is a table, so that everything about them can be computed exactly."""
