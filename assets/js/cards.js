/* Cards: every card can be enlarged, copied as data and saved as a picture. One mechanism; buttons say data-do. */
(function () {
  "use strict";
  const mx = (window.mx = window.mx || {});
  let enlarged = null;

  /* What stands around a card is out of reach while the card fills the page. */
  function others(card) {
    const found = [];
    for (let node = card; node !== document.body; node = node.parentElement) {
      for (const other of node.parentElement.children) if (other !== node && other.id !== "toast") found.push(other);
    }
    return found;
  }

  function enlarge(card) {
    enlarged = { card, behind: others(card).filter((node) => !node.inert), button: document.activeElement };
    for (const node of enlarged.behind) node.inert = true;
    card.toggleAttribute("data-enlarged", true);
    told(card, true);
  }

  function shrink() {
    const { card, behind, button } = enlarged;
    enlarged = null;
    for (const node of behind) node.inert = false;
    card.toggleAttribute("data-enlarged", false);
    told(card, false);
    if (button && button.isConnected) button.focus();
  }

  function told(card, large) {
    card.querySelector(".tool.enlarge").setAttribute("aria-pressed", String(large));
    document.documentElement.toggleAttribute("data-enlarged", large);
    if (!large) card.scrollIntoView({ block: "nearest" });
  }

  /* Tab-separated text of what a card shows: its tables, but those that only explain, else its lists of names and values. */
  function shownData(card) {
    mx.tables.write(card);
    const line = (cells) => cells.map((cell) => plain(cell.dataset.value ?? cell.textContent)).join("\t");
    const tables = [...card.querySelectorAll("table")].filter((table) => !table.closest(".no-data")).map((table) => [...table.rows].map((row) => line([...row.cells])).join("\n"));
    const lists = [...card.querySelectorAll("dl")].map((list) => {
      const values = [...list.querySelectorAll("dd")];
      return [...list.querySelectorAll("dt")].map((name, i) => line([name, values[i]])).join("\n");
    });
    return (tables.length ? tables : lists).join("\n\n");
  }

  /* One line, and nothing that a spreadsheet takes for a formula (OWASP, "CSV Injection"); numbers stay as they are. */
  function plain(text) {
    const one = text.replace(/\s+/g, " ").trim();
    return /^[=+\-@＝＋－＠']/.test(one) && !/^[-+]?[\d.,]+(e[-+]?\d+)?( %)?$/i.test(one) ? `'${one}` : one;
  }

  async function data(card) {
    const named = card.dataset.tsv ? card : card.querySelector("[data-tsv]");
    if (!named) return shownData(card);
    const reply = await fetch(named.dataset.tsv);
    if (!reply.ok) throw new Error((await reply.json()).message);
    return reply.text();
  }

  async function copy(card) {
    const text = await data(card);
    const rows = text.trim().split("\n").length;
    if (!text.trim()) mx.tell("There is nothing to copy yet.");
    else if (await mx.link.copy(text)) mx.tell(`Copied ${rows} ${rows === 1 ? "line" : "lines"} of tab-separated data.`);
    else keep(new Blob([text], { type: "text/tab-separated-values" }), `${name(card)}.tsv`, "The browser does not allow copying here, so it was saved as");
  }

  const name = (card) => `${document.title.split(" · ")[0].replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-+|-+$/g, "") || "manifold"}-${card.dataset.card}`;

  function keep(blob, file, words = "Saved") {
    const address = URL.createObjectURL(blob);
    const link = mx.html("a", { href: address, download: file });
    link.click();
    URL.revokeObjectURL(address);
    mx.tell(`${words} ${file}.`);
  }

  async function save(card, kind) {
    const part = card.querySelector(".card-picture") || card;
    const picture = await mx.picture.draw(part);
    keep(kind === "svg" ? picture.svg() : await picture.png(), `${name(card)}.${kind}`);
  }

  const DOES = {
    enlarge: (card) => (enlarged ? shrink() : enlarge(card)),
    copy,
    "save-svg": (card) => save(card, "svg"),
    "save-png": (card) => save(card, "png"),
  };

  document.addEventListener("click", async (event) => {
    for (const menu of document.querySelectorAll("details.save-menu[open]")) {
      if (!menu.contains(event.target) || event.target.closest(".menu-item")) menu.open = false;
    }
    const button = event.target.closest("[data-do]");
    const card = button && button.closest("[data-card]");
    if (!card || !DOES[button.dataset.do]) return;
    try { await DOES[button.dataset.do](card); } catch (fault) { mx.tell(`That did not work: ${fault.message}`); }
  });

  window.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.defaultPrevented || document.querySelector("dialog[open]")) return;
    const menu = document.querySelector("details.save-menu[open]");
    if (menu) { menu.open = false; menu.firstElementChild.focus(); return; }
    if (enlarged && enlarged.card.isConnected) shrink();
  });

  /* A page that is left while a card is enlarged, by the browser's buttons or by a link. */
  for (const left of ["popstate", "_dashprivate_pushstate"]) window.addEventListener(left, () => { if (enlarged) shrink(); });

  mx.cards = { shownData };
})();
