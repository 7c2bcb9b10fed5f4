"""SVG as matplotlib writes it, made fit to stand inside an HTML page."""

from __future__ import annotations

import io
import re
from xml.etree import ElementTree as ET

from markupsafe import Markup
from matplotlib.figure import Figure

INK = "#010203"
"""The colour that stands for the page's own text colour, light or dark."""

_FONT = re.compile(r"font: (?P<extra>[^;]*?)(?P<size>[\d.]+)px [^;]*")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_LONG_NUMBER = re.compile(r"-?\d+\.\d{3,}")
_SHAPES = ("x", "y", "x1", "x2", "y1", "y2", "d", "width", "height", "points")


def inline(figure: Figure, key: str, title: str, description: str) -> Markup:
    """Draw `figure` as an `<svg>` element for an HTML page.

    `key` makes its ids unique on the page; `title` and `description` are its text alternative.
    Text stays text in the page's own font, INK becomes the page's text colour, and what would
    reach out of the element (namespaces, metadata, style rules for every tag) is taken away.
    """
    buffer = io.BytesIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(buffer, format="svg", metadata=nothing)
    root = ET.fromstring(buffer.getvalue())  # noqa: S314 - matplotlib wrote it
    for element in root.iter():
        element.tag = _local(element.tag)
        element.attrib = {_local(name): value for name, value in element.attrib.items()}
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in {"metadata", "style"}:
                parent.remove(child)
    _rename(root, key)
    for element in root.iter():
        _simplify(element)
    _describe(root, key, title, description)
    return Markup(ET.tostring(root, encoding="unicode"))  # noqa: S704 - ElementTree escapes text


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _rename(root: ET.Element, key: str) -> None:
    """Prefix the ids that something refers to, and drop the others."""
    used: set[str] = set()
    for element in root.iter():
        for name, value in element.attrib.items():
            if name == "href" and value.startswith("#"):
                used.add(value.removeprefix("#"))
                element.set(name, f"#{key}-{value.removeprefix('#')}")
            elif "url(#" in value:
                used.update(_REFERENCE.findall(value))
                element.set(name, _REFERENCE.sub(rf"url(#{key}-\1)", value))
    for element in root.iter():
        own = element.attrib.pop("id", "")
        if own in used:
            element.set("id", f"{key}-{own}")


def _simplify(element: ET.Element) -> None:
    """Give the page its say over fonts and colours, and hundredths of a point are enough."""
    style = element.get("style")
    if style is not None:
        style = _FONT.sub(r"font-size: \g<size>px", style)
        element.set("style", style.replace(INK, "currentColor"))
    for name in _SHAPES:
        value = element.get(name)
        if value is not None:
            element.set(name, _LONG_NUMBER.sub(_rounded, value))


def _rounded(match: re.Match[str]) -> str:
    return f"{float(match[0]):.2f}"


def _describe(root: ET.Element, key: str, title: str, description: str) -> None:
    view = root.get("viewBox", "")
    root.attrib.clear()
    root.attrib.update({"viewBox": view, "role": "img", "aria-labelledby": f"{key}-t {key}-d"})
    for position, (tag, name, text) in enumerate(
        (("title", "t", title), ("desc", "d", description))
    ):
        element = ET.Element(tag, {"id": f"{key}-{name}"})
        element.text = text
        root.insert(position, element)
