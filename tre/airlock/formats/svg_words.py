"""The vocabulary of SVG that may leave: elements, attributes, and what styles may say. Standard library only.

Guarantees: an allow-list; what is not named here is refused, put into words, or reported as hidden. Measured before
it was written down: of 134 drawings that research projects released, none had a script, an image or an event handler.

Source: SVG 1.1 (second edition) and SVG 2, without scripting, animation, foreign content and everything that loads.
"""

from __future__ import annotations

import re

SVG, XLINK, XML = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink", "http://www.w3.org/XML/1998/namespace"

PUBLIC_TYPES = frozenset({"-//W3C//DTD SVG 1.0//EN", "-//W3C//DTD SVG 1.1//EN", "-//W3C//DTD SVG 1.1 Tiny//EN"})


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


DRAWN = _words("path rect circle ellipse line polyline polygon text tspan textPath use image")
CONTAINERS = _words(
    """svg g defs symbol clipPath mask marker pattern linearGradient radialGradient stop style switch title desc
    metadata filter feGaussianBlur feOffset feBlend feColorMatrix feComposite feFlood feMerge feMergeNode"""
)
NOT_DRAWN = _words("defs symbol clipPath mask marker pattern linearGradient radialGradient filter")
ACTIVE = _words(
    """script foreignObject animate animateMotion animateTransform animateColor set handler listener a iframe embed
    object audio video canvas discard mpath feImage cursor font-face-uri"""
)
UNSEEN_TEXT = _words("title desc metadata")

ATTRIBUTES = _words(
    """
    id class style transform x y x1 y1 x2 y2 cx cy r rx ry width height d points viewBox version baseProfile
    preserveAspectRatio dx dy rotate textLength lengthAdjust offset fx fy fr gradientUnits gradientTransform
    spreadMethod patternUnits patternContentUnits patternTransform clipPathUnits maskUnits maskContentUnits markerUnits
    markerWidth markerHeight refX refY orient pathLength type media space lang href startOffset method spacing
    in in2 result stdDeviation mode values operator filterUnits primitiveUnits flood-color flood-opacity
    fill fill-rule fill-opacity stroke stroke-width stroke-linecap stroke-linejoin stroke-miterlimit stroke-dasharray
    stroke-dashoffset stroke-opacity opacity color display visibility overflow clip clip-path clip-rule mask filter
    marker marker-start marker-mid marker-end font font-family font-size font-style font-variant font-weight
    font-stretch font-size-adjust text-anchor text-decoration text-rendering letter-spacing word-spacing
    dominant-baseline alignment-baseline baseline-shift direction writing-mode unicode-bidi stop-color stop-opacity
    color-interpolation color-interpolation-filters color-rendering image-rendering shape-rendering pointer-events
    vector-effect paint-order mix-blend-mode isolation enable-background xmlns role focusable tabindex contentScriptType
    contentStyleType zoomAndPan xml:space gradientunits
    """
)

_DEMANDS = re.compile(
    r"@import|@font-face|expression\s*+\(|javascript:|vbscript:|-moz-binding|behavior\s*+:|\\", re.IGNORECASE
)
_ADDRESS = re.compile(r"url\s*+\(\s*+[\"']?+([^)\"']*+)", re.IGNORECASE)
_STYLE_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
_INSIDE = re.compile(r"#[\w.:-]{1,200}")


def loads_something(style: str) -> bool:
    """Whether a style, or a presentation attribute, reaches outside the document or runs something.

    Escapes are refused with it: a browser unfolds them, a reader does not.
    """
    if _DEMANDS.search(style):
        return True
    return any(_INSIDE.fullmatch(found.group(1).strip()) is None for found in _ADDRESS.finditer(style))


def is_inside(address: str) -> bool:
    """Whether a reference points to an element of the same document."""
    return _INSIDE.fullmatch(address) is not None


def ids_in(style: str) -> list[str]:
    """The elements that a style or attribute refers to."""
    return [found.group(1).strip().lstrip("#") for found in _ADDRESS.finditer(style)]


def without_comments(style: str) -> str:
    """The style as a browser reads it."""
    return _STYLE_COMMENT.sub("", style)


def declarations(style: str) -> dict[str, str]:
    """The properties of a style attribute, names in lower case."""
    pairs = (part.partition(":") for part in without_comments(style).lower().split(";"))
    return {name.strip(): value.replace("!important", "").strip() for name, colon, value in pairs if colon}
