"""Texts of the tokens on which a cluster's features fire most: what a search looks through."""

from collections.abc import Callable

from explorer.records import ClusterSummary, FeatureTable, Vocabulary


def token_texts(table: FeatureTable, vocabulary: Vocabulary) -> Callable[[ClusterSummary], str]:
    """A function from a cluster to its features' top tokens, lower case, one after another."""

    def of(one: ClusterSummary) -> str:
        tokens = {
            int(token) for feature in (*one.features, *one.halo) for token in table.top_tokens[feature] if token >= 0
        }
        return " ".join(vocabulary.text(token) for token in sorted(tokens)).casefold()

    return of
