"""Text that came over the network, made safe to show: names, ids and reasons are not ours."""

from __future__ import annotations

import re
import unicodedata

LENGTH_MAX = 2000
"""Characters shown of one text: a platform that answers with a megabyte must not fill a report."""

# Controls, format characters (they can reverse the reading order), lone surrogates, code points
# that are no characters, and separators that break lines: none may act on what shows them.
_UNSEEN = {"Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"}

_MARKDOWN = re.compile(r"([\\`*_\[\]{}|~#!$])")


def visible(text: str) -> str:
    r"""Return `text` with everything that cannot be seen written out, as "\x1b"; cut if huge.

    The result is one line, can be encoded as UTF-8 and holds no character that XML forbids.
    """
    shown = text[:LENGTH_MAX]
    if not shown.isprintable():
        shown = "".join(_written_out(character) for character in shown)
    left_off = len(text) - LENGTH_MAX
    return f"{shown}… ({left_off:,} more characters)" if left_off > 0 else shown


def encodable(text: str) -> str:
    """Return `text` with lone surrogates, which UTF-8 cannot hold, replaced by U+FFFD."""
    return "".join(
        "\ufffd" if "\ud800" <= character <= "\udfff" else character for character in text
    )


def markdown(text: str) -> str:
    """Return `text` so that Markdown shows it as it is: no markup, no HTML, no links."""
    escaped = visible(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    escaped = _MARKDOWN.sub(r"\\\1", escaped)
    # GitHub makes links of bare addresses; an escaped character inside stops that.
    return escaped.replace("://", ":\\//").replace("www.", "www\\.")


def _written_out(character: str) -> str:
    if unicodedata.category(character) not in _UNSEEN:
        return character
    return character.encode("unicode_escape").decode("ascii")
