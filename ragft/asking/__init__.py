"""Questions from documents that have none: statements are found by rules, asked for in several wordings, and checked."""
