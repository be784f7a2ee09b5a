"""How durations and numbers of things are written in messages."""


def duration(seconds: int | float) -> str:
    """Formats a duration for people: "45 s", "3 min 20 s", "2 h 5 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def counted(n: int, noun: str) -> str:
    """Formats a number of things: "1 clip", "2 clips"."""
    return f"{n} {noun}{'s' * (n != 1)}"
