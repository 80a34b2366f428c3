"""All experiments run on the same small size and with few steps."""

TINY = {"size": 24, "steps": 4}
