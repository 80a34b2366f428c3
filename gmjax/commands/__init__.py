"""The subcommands of ``gmjax``: each is one dataclass, its fields the options, its ``run`` the calls."""
