"""Text files: their bytes to characters, their front matter, their first heading and their language."""

from __future__ import annotations

import codecs
import re

_CODECS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_DECLARED = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?\s*([\w.:-]{2,40})""", re.IGNORECASE)
_WRITTEN = re.compile(r"(iso-?8859|windows|cp|latin|koi8|shift|euc|gb|big5|macintosh)[\w-]*")
_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?\n)?(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_TITLE = re.compile(r"^title[ \t]*:[ \t]*(.+?)[ \t]*$", re.MULTILINE)
_HEADING = re.compile(r"^ {0,3}#{1,6}[ \t]+(.+?)(?:[ \t]+#+)?[ \t]*$", re.MULTILINE)
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_WORD = re.compile(r"[^\W\d_]+")

#: Function words that other languages of this table do not share: few, frequent, and enough to tell them apart.
_FUNCTION_WORDS = {
    code: frozenset(words.split())
    for code, words in {
        "en": "the of and to that with for this are is be by from which you your must when have will not has at or",
        "de": "der das und ist nicht mit auf eine ein für sich dem von wird bei sind werden oder nach zur zum wie als auch",
        "fr": "le les et des est une dans pour que qui sur par au aux ce sont avec vous votre ou être pas du leur",
        "es": "el los las y del que una por con para es su al como se más esta sus",
        "it": "il di che della per con non sono gli delle dei alla nel è anche da",
        "nl": "het een van en dat niet met voor zijn op aan te worden door ook wordt",
        "pt": "uma não com para é ao mais dos das pelo pela em ou seu são isso",
    }.items()
}


def decode(content: bytes, *, declared: bool = False) -> str:
    """The characters, with line ends as ``\\n`` and without what no store can hold.

    A byte-order mark decides, then UTF-8, then (with ``declared``) the encoding that the file names itself, then
    Windows-1252, which nearly every other Western file is.
    """
    text = content.decode(_codec(content, declared), "replace")
    return clean(text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n"))


def _codec(content: bytes, declared: bool) -> str:
    if content[:2] in _CODECS:
        return _CODECS[content[:2]]
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        named = _DECLARED.search(content[:2048]) if declared else None
        return _known_codec(named.group(1).decode("ascii")) if named else "cp1252"
    return "utf-8"


def _known_codec(name: str) -> str:
    """The codec of that name, if documents are written in it: Python knows others, which are no encodings of text."""
    try:
        return codecs.lookup(name).name if _WRITTEN.fullmatch(name.lower()) else "cp1252"
    except LookupError:
        return "cp1252"


def clean(text: str) -> str:
    """Without NUL and lone surrogates, which neither the stores nor the model can hold."""
    return _UNSTORABLE.sub("", text)


def split_front_matter(text: str) -> tuple[str, str]:
    """The title that a leading YAML block gives (or nothing), and the text without the block."""
    block = _FRONT_MATTER.match(text)
    if block is None:
        return "", text
    named = _TITLE.search(block.group(1) or "")
    return (named.group(1).strip("\"'") if named else ""), text[block.end() :].lstrip("\n")


def first_heading(text: str) -> str:
    """The first Markdown heading's words, or nothing."""
    found = _HEADING.search(text)
    return found.group(1) if found else ""


def language_of(text: str, sample: int = 20_000) -> str:
    """The language whose function words clearly prevail among the first ``sample`` characters, as ISO 639-1, or nothing."""
    words = [word.lower() for word in _WORD.findall(text[:sample])]
    counts = sorted(((sum(map(known.__contains__, words)), code) for code, known in _FUNCTION_WORDS.items()), reverse=True)
    (most, language), (second, _) = counts[:2]
    return language if most >= 2 and most >= 1.5 * second and most >= 0.05 * len(words) else ""
