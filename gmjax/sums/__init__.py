"""The sum of Gaussians (2) and its derivatives (7) to (9): one file for each way to compute them."""
