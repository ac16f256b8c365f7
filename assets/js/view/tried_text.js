/** What a tried text lights up: clusters on the map, tokens on a manifold's curve. The panel sets them, the drawings follow. */

/**
 * A value that others follow.
 *
 * @template Value
 * @param {Value} value
 */
function followed(value) {
  /** @type {((value: Value) => void)[]} */
  const listeners = [];
  return {
    get: () => value,
    /** @param {Value} next */
    set(next) {
      value = next;
      for (const listener of listeners) listener(next);
    },
    /** @param {(value: Value) => void} listener */
    follow: (listener) => listeners.push(listener),
  };
}

/** Clusters on which the text fires; null where none is dimmed for it. */
export const litClusters = followed(/** @type {number[] | null} */ (null));

/** Tokens with a place on the page's curve. */
export const placedTokens = followed(/** @type {TextMark[]} */ ([]));
