/** Cases that Python tries as well: tests/app/test_both_languages.py. */

import { readFileSync } from "node:fs";

/** @param {string} file */
export const casesOf = (file) =>
  JSON.parse(readFileSync(new URL(`../data/both/${file}.json`, import.meta.url), "utf8"));
