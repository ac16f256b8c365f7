"""Token ids to text, one token at a time."""

from collections.abc import Callable, Sequence

Decode = Callable[[Sequence[int]], str]
"""Token ids to text."""

_INCOMPLETE = "\ufffd"
_SEEN_BEFORE = 6


class TextStream:
    """Says what each further token adds to a text.

    A token's text depends on the one before it, and a character may take several tokens: nothing is said until it is
    complete.
    """

    def __init__(self, decode: Decode, before: Sequence[int] = ()) -> None:
        self._decode = decode
        self._ids = list(before[-_SEEN_BEFORE:])
        self._begin = 0
        self._said = len(self._ids)

    def push(self, token_id: int) -> str:
        """Text that this token adds; empty while a character is not complete."""
        self._ids.append(token_id)
        before = self._decode(self._ids[self._begin : self._said])
        after = self._decode(self._ids[self._begin :])
        if len(after) <= len(before) or after.endswith(_INCOMPLETE):
            return ""
        self._begin, self._said = self._said, len(self._ids)
        return after[len(before) :]


def token_texts(decode: Decode, token_ids: Sequence[int]) -> list[str]:
    """What each token of a text adds to it."""
    stream = TextStream(decode)
    return [stream.push(token_id) for token_id in token_ids]
