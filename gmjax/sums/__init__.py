"""The sum of Gaussians and its derivatives (paper, (2) and (7) to (9)): one file a way to compute it."""
