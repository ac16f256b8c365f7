"""Display text of every token."""

from transformers import PreTrainedTokenizerBase

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def display_texts(tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """Text of every token id as it reads within a line: the space that begins a word is preserved.

    A tokenizer may drop the leading space of a token that it decodes alone, so each token is decoded behind an anchor
    token whose text is then removed. Special tokens, and tokens that are only part of a character, show their name in
    the vocabulary. Ids without a token show "".
    """
    size = max(len(tokenizer), max(tokenizer.get_vocab().values()) + 1)
    names = [str(name or "") for name in tokenizer.convert_ids_to_tokens(list(range(size)))]
    special = set(tokenizer.all_special_ids)
    anchor, anchor_text = _anchor(tokenizer, size)
    texts = []
    for number, name in enumerate(names):
        decoded = _decode(tokenizer, [*anchor, number])
        plain = number not in special and name and decoded.startswith(anchor_text) and _REPLACEMENT not in decoded
        texts.append(decoded[len(anchor_text) :] if plain else name)
    return texts


def _anchor(tokenizer: PreTrainedTokenizerBase, size: int) -> tuple[list[int], str]:
    """A token whose text is an ASCII letter or word, and that text; empty where there is none."""
    special = set(tokenizer.all_special_ids)
    for number in range(size):
        text = _decode(tokenizer, [number]) if number not in special else ""
        if text.isascii() and text.isalpha() and _decode(tokenizer, [number, number]).startswith(text):
            return [number], text
    return [], ""


def _decode(tokenizer: PreTrainedTokenizerBase, ids: list[int]) -> str:
    return str(tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))
