"""The ``gmjax`` command. Each subcommand is a dataclass: its fields are the options, and ``run`` does the work."""
