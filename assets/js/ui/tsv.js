/** Cells of tables for a spreadsheet (tests/data/both/tsv.json has what explorer/runs/report/csv_text.py does as well). */

/**
 * One line that no spreadsheet takes for a formula (OWASP, "CSV Injection"); numbers stay as they are.
 *
 * @param {string} text
 */
export function plainCell(text) {
  const one = text.replace(/\s+/g, " ").trim();
  const isFormula = /^[=+\-@＝＋－＠']/.test(one) && !/^[-+]?[\d.,]+(e[-+]?\d+)?( %)?$/i.test(one);
  return isFormula ? `'${one}` : one;
}
