"""Arms that are whole systems: what a team runs already, a model behind an endpoint, or a copier. Outside the 2x2, never recommended."""
