"""Signs of numbers as text."""


def plus(number: str) -> str:
    return number if number.startswith("-") else f"+{number}"


def minus(number: str) -> str:
    return f"+{number[1:]}" if number.startswith("-") else f"-{number}"
