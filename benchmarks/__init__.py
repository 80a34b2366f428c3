"""Benchmarks, one comparison per file: ``make bench``, or ``make bench ONLY=step`` for one of them."""
