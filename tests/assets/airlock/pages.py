"""Hostile pages (HTML) and clean near-misses by name."""

from __future__ import annotations

import base64
from collections.abc import Callable

from tests.assets.airlock.files import Hostile, png

TABLE = (
    "<table><tr><th>sex</th><th>n_patients</th></tr>"
    "<tr><td>F</td><td>120</td></tr><tr><td>M</td><td>130</td></tr></table>"
)


def page(body: str = TABLE, head: str = '<meta charset="utf-8"><title>Results</title>') -> bytes:
    """A page with a body."""
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head><body>{body}</body></html>\n'.encode()


def picture(data: bytes | None = None, mime: str = "image/png") -> str:
    """An element with a picture folded into its address."""
    return f'<img alt="a figure" src="data:{mime};base64,{base64.b64encode(data or png()).decode()}">'


ACTIVE: dict[str, str] = {
    "script": "<script>alert(1)</script>",
    "script-elsewhere": '<script src="https://collect.example/x.js"></script>',
    "handler": '<p onclick="x()">a</p>',
    "handler-in-capitals": "<p OnMouseOver='x()'>a</p>",
    "frame": '<iframe src="https://collect.example/"></iframe>',
    "object": '<object data="x.swf"></object>',
    "embed": '<embed src="x.pdf">',
    "form": '<form action="https://collect.example/"><input name="a"></form>',
    "javascript-address": '<a href="javascript:alert(1)">a</a>',
    "javascript-spelled": '<a href="java&#10;script:alert(1)">a</a>',
    "javascript-as-entity": '<a href="&#106;avascript:alert(1)">a</a>',
    "data-address": '<a href="data:text/html,<p>x">a</a>',
    "picture-elsewhere": '<img src="https://collect.example/1.png">',
    "background-elsewhere": '<table background="https://collect.example/1.png"><tr><td>1</td></tr></table>',
    "style-loads": '<p style="background:url(https://collect.example/x)">a</p>',
    "style-escaped": '<p style="background:u\\72l(https://collect.example/x)">a</p>',
    "style-import": "<style>@im/**/port 'https://collect.example/x'; @import 'y';</style>",
    "video": '<video src="x.mp4"></video>',
    "animated-address": '<svg><a><animate attributeName="href" values="javascript:alert(1)"/></a></svg>',
    "address-in-drawing": '<svg><a xlink:href="javascript:alert(1)">a</a></svg>',
    "script-in-drawing": "<svg><script>alert(1)</script></svg>",
}

HIDDEN: dict[str, str] = {
    "comment": "<!-- patient 17 -->",
    "comment-like-xtable": "<!-- html table generated in R 4.2.2 by xtable 1.8-4 package 17 44 -->",
    "display-none": '<p style="display: none">patient 17</p>',
    "display-none-escaped": '<p style="d\\69splay:none">patient 17</p>',
    "display-none-in-sheet": "<style>.x{color:red;display:none}</style>",
    "invisible": '<p style="visibility:hidden">patient 17</p>',
    "transparent": '<p style="opacity:0">patient 17</p>',
    "no-size": '<p style="font-size:0">patient 17</p>',
    "off-the-page": '<p style="position:absolute;left:-9999px">patient 17</p>',
    "hidden-attribute": "<p hidden>patient 17</p>",
    "white-on-white": '<p style="color:#FFF">patient 17</p>',
    "same-colour": '<p style="color:#123456;background:#123456">patient 17</p>',
    "white-letters": '<font color="#FFFFFF">patient 17</font>',
    "white-in-a-white-row": '<table><tr style="background:#fff"><td style="color:white">17</td></tr></table>',
    "data-attribute": '<p data-rows="id,age;1,44">a</p>',
    "long-class": f'<p class="{"x" * 300}">a</p>',
    "own-attribute": '<p patients="17">a</p>',
    "drawing": "<svg><text>17</text></svg>",
    "own-element": "<patient-list>17</patient-list>",
    "embedded-picture": picture(),
    "written-by-style": '<style>p::after{content:"patient 17"}</style>',
    "comment-in-style": "<style>td{color:red} /* patient 17 */</style>",
    "value-in-style": "<style>td{--rows: 17 44}</style>",
    "pixel": '<img width="1" height="1" alt="patient 17">',
}

HOSTILE: dict[str, Hostile] = {
    **{f"{name}.html": Hostile("F06", "page", lambda body=body: page(TABLE + body)) for name, body in ACTIVE.items()},  # type: ignore[misc]
    "refresh.html": Hostile(
        "F06", "what to do", lambda: page(head='<meta http-equiv="refresh" content="0;url=https://collect.example">')
    ),
    "base.html": Hostile("F06", "base", lambda: page(head='<base href="https://collect.example/">')),
    "style-sheet.html": Hostile("F06", "link", lambda: page(head='<link rel="stylesheet" href="x.css">')),
    "other-charset.html": Hostile("F02", "claims", lambda: page(head='<meta charset="utf-7">')),
    "comment-that-is-none.html": Hostile("F02", "ends of a comment", lambda: page("<!--><script>alert(1)</script>-->")),
    "comment-with-bang.html": Hostile("F02", "ends of a comment", lambda: page("<!-- a --!><script>1</script> -->")),
    "comment-never-closed.html": Hostile("F02", "ends of a comment", lambda: page("<!-- patient 17")),
    "many-open-comments.html": Hostile("F02", "ends of a comment", lambda: page("<!--" * 1_000_000)),
    "many-open-tags.html": Hostile("F02", "differently", lambda: page("<a " * 1_000_000)),
    "marked-section.html": Hostile("F02", "differently", lambda: page("<![CDATA[ <script> ]]>")),
    "instruction.html": Hostile("F02", "differently", lambda: page("<?php system(1) ?>")),
    "tag-never-closed.html": Hostile("F02", "differently", lambda: page('<img src="x" alt="')),
    "attribute-twice.html": Hostile("F02", "twice", lambda: page('<p class="a" class="b">a</p>')),
    "slash-for-space.html": Hostile("F02", "differently", lambda: page("<img/src/onerror=alert(1)>")),
    "script-never-closed.html": Hostile("F02", "different ends", lambda: page("<script>alert(1)")),
    "plaintext.html": Hostile("F02", "differently", lambda: page("<plaintext><script>")),
    "folded-script.html": Hostile("F02", "different", lambda: page("<template><p>patient 17</p></template>")),
    "text-outside-cells.html": Hostile(
        "F02", "different", lambda: page("<p>a</p><table><tr><td>1</td></tr>17</table>b")
    ),
    "many-attributes.html": Hostile(
        "F05", "attributes", lambda: page("<p " + " ".join(f"a{number}" for number in range(200_000)) + ">a</p>")
    ),
    "many-references.html": Hostile("F05", "references", lambda: page("&amp;" * 1_000_000)),
    "page-in-drawing.html": Hostile(
        "F02", "different", lambda: page("<svg><foreignObject><p>a</p></foreignObject></svg>")
    ),
    "deep.html": Hostile("F05", "deeper", lambda: page("<div>" * 100_000)),
    "wide-spans.html": Hostile(
        "F05", "cells", lambda: page('<table><tr><td colspan="9999" rowspan="9999">1</td></tr></table>')
    ),
    "many-columns.html": Hostile("F05", "columns", lambda: page("<table><tr>" + "<td>1</td>" * 600 + "</tr></table>")),
    "many-tables.html": Hostile(
        "F05", "500 tables", lambda: page("<table><tr><td>1</td></tr><tr><td>2</td></tr></table>" * 501)
    ),
    "many-rows.html": Hostile("F05", "rows", lambda: page("<table>" + "<tr><td>1</td></tr>" * 5002 + "</table>")),
    "also-a-pdf.html": Hostile("F03", "PDF", lambda: b"<!--\n%PDF-1.7\n-->" + page()),
    "utf-16.html": Hostile("F02", "UTF-16", lambda: page().decode().encode("utf-16")),
    "bidi.html": Hostile("F03", "U+202E", lambda: page("<p>&#x202E;21</p>")),
    "not-a-picture.html": Hostile("F02", "not a PNG", lambda: page(picture(b"id,age\n1,44\n"))),
}
"""Files that are blocked: the check that stops each, and a piece of the reason in words."""

HIDING: dict[str, Hostile] = {
    **{f"{name}.html": Hostile("F07", "", lambda body=body: page(TABLE + body)) for name, body in HIDDEN.items()},  # type: ignore[misc],
    "other-picture.html": Hostile("F07", "image/x-icon", lambda: page(picture(mime="image/x-icon"))),
}
"""Files that carry more than they show: each needs an exception from everybody who checks it."""

TOLD: dict[str, Hostile] = {
    "author.html": Hostile("F08", "alice", lambda: page(head='<meta name="author" content="alice">')),
    "link.html": Hostile("F08", "links to", lambda: page('<a href="https://example.org/?id=17">a</a>')),
}
"""Files that may leave once each checker has acknowledged what is told of them."""

PANDAS = (
    "<div>\n<style scoped>\n    .dataframe tbody tr th:only-of-type {\n        vertical-align: middle;\n    }\n\n"
    "    .dataframe thead th {\n        text-align: right;\n    }\n</style>\n"
    '<table border="1" class="dataframe">\n  <thead>\n    <tr style="text-align: right;">\n      <th></th>\n'
    "      <th>n_patients</th>\n    </tr>\n    <tr>\n      <th>sex</th>\n      <th></th>\n    </tr>\n  </thead>\n"
    "  <tbody>\n    <tr>\n      <th>F</th>\n      <td>120</td>\n    </tr>\n"
    "    <tr>\n      <th>M</th>\n      <td>130</td>\n"
    "    </tr>\n  </tbody>\n</table>\n</div>"
)

STATSMODELS = """<table class="simpletable">
<caption>OLS Regression Results</caption>
<tr><th>Dep. Variable:</th><td>y</td><th>  R-squared:         </th><td>   0.009</td></tr>
<tr><th>No. Observations:</th><td>   200</td><th>  AIC:               </th><td>   79.11</td></tr>
<tr><th>Df Residuals:</th><td>   196</td><th>                     </th><td> </td></tr>
</table>
<table class="simpletable">
<tr><td></td><th>coef</th><th>std err</th><th>t</th><th>P>|t|</th></tr>
<tr><th>const</th><td>0.6108</td><td>0.064</td><td>9.505</td><td>0.000</td></tr>
<tr><th>x1</th><td>-0.0761</td><td>0.069</td><td>-1.095</td><td>0.275</td></tr>
</table>"""

XTABLE = b"""<!-- html table generated in R 4.2.2 by xtable 1.8-4 package -->
<!-- Mon Nov  2 10:11:12 2026 -->
<table border=1>
<tr> <th>  </th> <th> n_patients </th>  </tr>
  <tr> <td align="right"> F </td> <td align="right"> 120 </td> </tr>
   </table>
"""

STARGAZER = b"""
<table style="text-align:center"><tr><td colspan="2" style="border-bottom: 1px solid black"></td></tr>
<tr><td style="text-align:left"></td><td><em>Dependent variable:</em></td></tr>
<tr><td style="text-align:left">age</td><td>-0.24<sup>***</sup></td></tr>
<tr><td style="text-align:left"><em>Note:</em></td><td style="text-align:right"><sup>*</sup>p<0.1</td></tr></table>
"""

HONEST: dict[str, Callable[[], bytes]] = {
    "table.html": page,
    "pandas.html": lambda: page(PANDAS),
    "fragment.html": PANDAS.encode,
    "comparison.htm": lambda: page("<p>p < 0.05 &amp; n &gt; 100, 5 &lt; 7</p>"),
    "looks.html": lambda: page('<h1 style="color:#003087;font-size:14px">Results</h1>' + TABLE),
    "white-on-blue.html": lambda: page('<p style="color:#fff;background:#003087">Results</p>'),
    "sheet-of-styles.html": lambda: page("<style>td{padding:2px;border-width:0;opacity:0.8}</style>" + TABLE),
    "within-page.html": lambda: page('<p id="top">a</p><a href="#top">up</a>'),
    "caption.html": lambda: page(TABLE.replace("<table>", "<table><caption>Table 1</caption>")),
    "spans.html": lambda: page(
        '<table><tr><th colspan="2">mean</th></tr><tr><td>1</td><td rowspan="1">2</td></tr></table>'
    ),
    "white-in-a-blue-row.html": lambda: page(
        '<table><tr style="background-color: #003087"><th style="color:white">mean</th>'
        '<th><font color="white">sd</font></th></tr>'
        "<tr><td>1.5</td><td>2.5</td></tr></table><p>well</p>"
    ),
    "statsmodels.html": lambda: page(STATSMODELS),
    "xtable.html": lambda: XTABLE,
    "stargazer.html": lambda: STARGAZER,
    "void.html": lambda: page("a<br>b<br/>c<hr>"),
    "single-quotes.html": lambda: page("<p class='a b' lang=en>a</p>"),
}
"""Near-misses: pages that are as they should be."""
