"""What strangers write where they can, and would like to be more than text.

Each text has a name of its own, so that it can be told which of them a page shows, and which none does:
`support/examine.js` asks a page.
"""

from __future__ import annotations

FORMS = (
    "<script>owned()</script>",
    "<img src=x onerror=owned()>",
    "<svg onload=owned()></svg>",
    "</title></textarea></script></style><h1 data-owned>owned</h1>",
    "<a href=javascript:owned()>x</a>",
    "<iframe srcdoc='<script>parent.owned()</script>'></iframe>",
    "<link rel=stylesheet href=http://evil.example/x.css><img src=http://evil.example/pixel.png>",
    "{{ 7*7 }} {% raw %} ${7*7} &lt;b&gt; \u202e",
)
names: set[str] = set()  # of the texts that were written


def evil(name: str, most: int = 2_000) -> str:
    """A text of at most so many characters that would like to be an attribute, an element or a script.

    It begins with what leaves an attribute and its element, and names itself: `data-owned=name`.
    """
    names.add(name)
    text = f"\"'><b data-owned={name} onclick=owned()>"
    for form in FORMS:
        text += form if len(text) + len(form) <= most else ""
    assert len(text) <= most, f"{name} does not fit into {most} characters"
    return text
