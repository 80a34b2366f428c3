"""All experiments run on the same small size, with 80 components where they can: compiled programs are shared."""

TINY = {"size": 24, "steps": 8}
