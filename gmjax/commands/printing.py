"""How commands print: text in which no name of a file can control the terminal."""


def say(text: str) -> None:
    """A result, on standard output."""
    print(escaped(text))


def escaped(text: str) -> str:
    """``text`` with an escape in place of each character that is not printable; its line breaks stay."""
    return "".join(
        character if character.isprintable() or character == "\n" else character.encode("unicode_escape").decode()
        for character in text
    )
