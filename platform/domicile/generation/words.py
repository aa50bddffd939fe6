"""Words and how alike they are, without a dictionary: enough to tell which sentence speaks of what was asked."""

from __future__ import annotations

import re
import unicodedata

# A code such as HB-400 and a figure such as 0,25 are one word each.
_WORD = re.compile(r"[^\W_]+(?:[-.,/]\d[^\W_]*)*")
_STOP_WORDS = {
    "en": (
        "a about am an and any are as at be been but by can could did do does for from had has have he her his how i if "
        "in into is it its me may my no not of on or our shall she should so such that the their them there these they "
        "this those to up us was we were what when where which who whom whose why will with would you your much many "
        "must need get"
    ),
    "de": (
        "aber als am an auch auf aus bei bin bis da damit das dass dem den der des die dies diese diesem diesen dieser "
        "dieses du ein eine einem einen einer eines er es für hat habe haben ich ihr ihre im in ist ja kann können man "
        "mein meine mich mir mit muss müssen nach nicht noch nur oder ob sein seine sich sie sind so soll sollen über "
        "um und uns unser unsere unter vom von vor wann warum was welche welchem welchen welcher welches wenn wer "
        "werden wie wieso wird wir wo wurde zu zum zur viel viele vielen"
    ),
    "fr": (
        "a à afin ai ainsi au aux avec avoir ce ceci cela ces cet cette combien comme comment d dans de des doit "
        "doivent donc du elle en est et été être eu il ils j je l la le les leur leurs lorsque lui m ma mais me mes mon "
        "n ne nos notre nous on ou où par pas peut peuvent plus pour pourquoi qu quand que quel quelle quelles quels "
        "qui quoi s sa sans se ses si son sont sur t ta te tes toi ton tu un une vos votre vous y"
    ),
}
_STOPS = {language: frozenset(words.split()) for language, words in _STOP_WORDS.items()}
_EVERY_STOP = frozenset().union(*_STOPS.values())
# Inflections of the three languages; what is left has at least four letters. The longest that fits is found, being leftmost.
_ENDING = re.compile(r"(?<=\w{4})(?:ements?|ung(?:en)?|ing|ies|ern|est|ees|en|er|em|es|ed|ee|ly|e|n|s)\Z")
# Not the first word of a sentence, which has a capital anyway.
_NAME = re.compile(r"(?<=[^\W_][ ,])\s*([A-ZÀ-Þ][\w.-]*\w)")
_SHARED = 4
_PREFIX = 5
_ALIKE = 0.7

#: How much a word counts that was found as it is, in another form, or inside a compound.
SAME, FORM, COMPOUND = 1.0, 0.8, 0.5


def words_of(text: str) -> list[str]:
    """The words of a text, folded: lower case, no accents, no inflection. Words that every sentence has are left out."""
    found = (match.group() for match in _WORD.finditer(text.lower()))
    return [_stem(_fold(word)) for word in found if word not in _EVERY_STOP]


def language_of(question: str) -> str:
    """``de``, ``fr`` or ``en`` by its small words; English when they do not tell."""
    found = [match.group() for match in _WORD.finditer(question.lower())]
    counts = {language: sum(word in stops for word in found) for language, stops in _STOPS.items()}
    return max(counts, key=lambda language: counts[language])  # The first of equals, which is English.


def names_in(question: str) -> list[str]:
    """The names that a question asks about, folded as ``words_of`` does: capitals within a sentence, and codes.

    None in German, which writes every noun with a capital.
    """
    if language_of(question) == "de":
        return []
    return [word for name in _NAME.findall(question) for word in words_of(name)]


def likeness(wanted: str, word: str) -> float:
    """From 0 to 1: how far the word can be taken for the one that was asked for."""
    if wanted == word:
        return SAME
    if wanted[:1].isdigit() or word[:1].isdigit():
        return 0.0
    # Most pairs have nothing in common, and end here.
    if wanted[:_SHARED] != word[:_SHARED] and wanted[:_PREFIX] not in word and word[:_PREFIX] not in wanted:
        return 0.0
    shared = _shared(wanted, word)
    if shared >= _SHARED and shared >= _ALIKE * max(len(wanted), len(word)):
        return FORM
    return COMPOUND if shared == len(wanted) or _hinged(wanted, word) or _hinged(word, wanted) else 0.0


def _hinged(first: str, second: str) -> bool:
    """Whether one is the other's last part, or they share one: ``Jahresurlaub`` with ``Urlaub`` and with ``Urlaubstag``."""
    return any(first.endswith(second[:length]) for length in range(_PREFIX, len(second) + 1))


def _shared(first: str, second: str) -> int:
    """The length of the common beginning."""
    length = 0
    for left, right in zip(first, second, strict=False):
        if left != right:
            break
        length += 1
    return length


def _fold(word: str) -> str:
    decomposed = unicodedata.normalize("NFKD", word.replace("ß", "ss"))
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))


def _stem(word: str) -> str:
    return _ENDING.sub("", word)
