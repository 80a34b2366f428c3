"""How fast, and against what: ``make bench``, or ``make bench ONLY=step``. One file, one comparison."""
