"""Tokens of a flow expression, and the errors that point at them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from capnet.errors import UsageError

MAX_TOKENS = 10_000  # a longer expression is no person's, and each token costs a pass over the flows
_TOKEN = re.compile(r'\s*("[^"]*"|&&|\|\||==|!=|[!(){},]|[^\s!(){},&|="]+|[&|="])')


@dataclass(frozen=True)
class Token:
    """A word, an operator, or quoted text without its quotes."""

    text: str
    start: int  # position in the expression, characters
    quoted: bool = False

    @property
    def end(self) -> int:
        """Position behind it, quotes included."""
        return self.start + len(self.text) + 2 * self.quoted


class TokenStream:
    """The tokens of an expression, read from left to right."""

    def __init__(self, text: str, tokens: list[Token]) -> None:
        self._text = text
        self._tokens = tokens
        self._position = 0

    @classmethod
    def of(cls, text: str) -> TokenStream:
        """All tokens of `text`. Raises UsageError if there are none, too many, or one that is not closed."""
        tokens = list(cls(text, [])._split())
        if len(tokens) > MAX_TOKENS:
            raise UsageError(f"a flow expression of {len(tokens):,} words; {MAX_TOKENS:,} are understood")
        if not tokens:
            raise UsageError("a flow expression is empty; try: host 172.17.0.2 and port 80")
        return cls(text, tokens)

    def _split(self) -> Iterator[Token]:
        position = 0
        while position < len(self._text) and (match := _TOKEN.match(self._text, position)):
            word, position = match.group(1), match.end()
            if word == '"':
                raise self.error(Token(word, match.start(1)), "is never closed")
            if word in ("&", "|", "="):
                raise self.error(Token(word, match.start(1)), f"is half an operator; write {word * 2}")
            quoted = word.startswith('"')
            yield Token(word[1:-1] if quoted else word, match.start(1), quoted)

    def peek(self, ahead: int = 0) -> Token | None:
        """A token that was not read yet; None at the end."""
        position = self._position + ahead
        return self._tokens[position] if position < len(self._tokens) else None

    def peek_word(self, ahead: int = 0) -> str | None:
        """Its text; None at the end and for quoted text."""
        token = self.peek(ahead)
        return token.text if token and not token.quoted else None

    def skip(self, count: int = 1) -> None:
        """Pass over tokens that were peeked at."""
        self._position += count

    def next(self, otherwise: str) -> Token:
        """Read a token. Raises UsageError with the message `otherwise` at the end."""
        token = self.peek()
        if token is None:
            raise self.error(Token("", len(self._text)), otherwise)
        self.skip()
        return token

    def error(self, token: Token, message: str) -> UsageError:
        """The error of a token, which the message shows in its place."""
        before, wrong, after = (
            self._text[: token.start],
            self._text[token.start : token.end],
            self._text[token.end :],
        )
        shown = " ".join(f"{before}▶{wrong}◀{after}".split("\n"))
        is_about_token = wrong and message[:1].islower() and not message.startswith(("expected", "no station"))
        subject = f'"{wrong}" ' if is_about_token else ""
        return UsageError(f"flow expression at character {token.start + 1}: {shown}: {subject}{message}")
