"""Text that nobody can steer a terminal with, whatever name, message or value it holds."""

import re

_STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def visible(text: str) -> str:
    """Return ``text`` with what steers a terminal, or turns its text around, written out."""
    return _STEERING.sub(lambda found: ascii(found[0])[1:-1], text)
