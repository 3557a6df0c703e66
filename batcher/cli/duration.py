"""How a length of time is written."""


def duration(seconds: float) -> str:
    """Write seconds as hours, minutes and seconds, the two largest that are needed."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours:,} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
