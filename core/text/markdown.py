"""Text that goes into Markdown without formatting it."""

from __future__ import annotations

import re

_ACTIVE = re.compile(r"[\\`*_\[\]<>#|~$&!]|^[-+](?=[-\s]|$)")
_SHORTCODE = re.compile(r":(?=[A-Za-z_:]|[+-]1:)")


def escape_markdown(text: str) -> str:
    """`text` on one line, so escaped that no document can format, embed or name a link otherwise than by its address.

    What a Streamlit page adds to Markdown (formulas between dollars, ``:smile:``, ``:red[…]``) is escaped too. Viewers
    that turn a bare address into a link go on doing so.
    """
    active = _ACTIVE.sub(r"\\\g<0>", " ".join(text.split()))
    return _SHORTCODE.sub("&#58;", active)  # a backslash would not stop ``:material/…:``
