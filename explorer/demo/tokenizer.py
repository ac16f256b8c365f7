"""The almanac's tokenizer: one token per word, number, clock time and punctuation mark."""

import re
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from explorer.demo.corpus.almanac import FILLERS, RELATIONS

BOS, EOS, UNKNOWN = "<s>", "</s>", "<unk>"
WORD_PATTERN = r"\d\d:\d\d|\w+(?:-\w+)*|[^\w\s]"
"""A clock time, a word or number (with hyphens inside), or one punctuation mark."""


def words_of(text: str) -> list[str]:
    """Split a text into words as the tokenizer does."""
    return re.findall(WORD_PATTERN, text)


def vocabulary() -> list[str]:
    """The three special tokens, then every word of the almanac in sorted order."""
    words = {word for choices in FILLERS.values() for word in choices}
    for relation in RELATIONS:
        words.update(relation.answers.values)
        for wording in relation.wordings:
            words.update(words_of(re.sub(r"\{\w+\}", " ", wording)))
        for combination in relation.combinations:
            for slot in combination.slots.values():
                words.update(words_of(slot))
    return [BOS, EOS, UNKNOWN, *sorted(words)]


def make_tokenizer(context: int) -> PreTrainedTokenizerFast:
    """Build the tokenizer for a context of `context` tokens; it prepends `<s>` to every text."""
    index = {word: number for number, word in enumerate(vocabulary())}
    core = Tokenizer(models.WordLevel(index, unk_token=UNKNOWN))
    core.pre_tokenizer = pre_tokenizers.Split(Regex(WORD_PATTERN), behavior="removed", invert=True)
    core.post_processor = processors.TemplateProcessing(single=f"{BOS} $A", special_tokens=[(BOS, index[BOS])])
    # Decoding joins words by spaces, without one before punctuation; no word starts with the continuation prefix.
    core.decoder = decoders.WordPiece(prefix="##", cleanup=True)
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=core,
        bos_token=BOS,
        eos_token=EOS,
        unk_token=UNKNOWN,
        pad_token=EOS,
        model_max_length=context,
        clean_up_tokenization_spaces=False,
    )


def save_tokenizer(out: Path, context: int) -> PreTrainedTokenizerFast:
    """Save the tokenizer in Hugging Face format to the folder `out` and return it."""
    tokenizer = make_tokenizer(context)
    tokenizer.save_pretrained(out)
    return tokenizer
