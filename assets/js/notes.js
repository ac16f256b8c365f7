/* Notes and collections: kept in this browser's storage, one key each; they travel packed behind the "#" of a link. */
(function () {
  "use strict";
  const mx = (window.mx = window.mx || {});
  const NOTE = "mx-note ", COLLECTION = "mx-collection ";
  const LONGEST = { note: 4000, title: 120, caption: 1000, link: 4000, packed: 12000, file: 400000, steps: 60 };
  const INSIDE = /^(run|s|tour)\/./;
  const STORED = "Kept in this browser alone, in its local storage: no server sees them. They travel in the links and files that you make here.";

  const home = () => document.querySelector(".brand")?.getAttribute("href") || "/";
  const place = () => decodeURI(window.location.pathname).slice(home().length);
  const view = () => window.location.pathname.slice(home().length) + window.location.search;

  const storage = {
    get(key) { try { return window.localStorage.getItem(key); } catch { return null; } },
    set(key, value) {
      try { if (value) window.localStorage.setItem(key, value); else window.localStorage.removeItem(key); return true; }
      catch { mx.tell("This browser keeps nothing for this page: its storage is full or switched off."); return false; }
    },
    keys(begin) { try { return Object.keys(window.localStorage).filter((key) => key.startsWith(begin)).sort(); } catch { return []; } },
  };

  const isText = (text, longest) => typeof text === "string" && text.length <= longest;

  /* A view inside this app, relative to where it is served; nothing else can stand in a collection. */
  function isView(link) {
    if (!isText(link, LONGEST.link) || !INSIDE.test(link) || link.includes("#")) return false;
    const base = new URL(home(), window.location.href);
    const there = new URL(link, base);
    return there.origin === base.origin && there.pathname.startsWith(base.pathname) && INSIDE.test(there.pathname.slice(base.pathname.length));
  }

  function checkedNote(note) {
    return note && isText(note.text, LONGEST.note) && isView(note.path) ? { path: note.path, text: note.text } : null;
  }

  function checkedCollection(told) {
    const steps = told && Array.isArray(told.steps) && told.steps.length <= LONGEST.steps ? told.steps : null;
    const sound = steps && isText(told.title, LONGEST.title) && steps.every((one) => one && isView(one.link) && isText(one.title, LONGEST.title) && isText(one.text, LONGEST.caption));
    return sound ? { title: told.title, steps: steps.map(({ title, text, link }) => ({ title, text, link })) } : null;
  }

  function parsed(text, check) {
    try { return check(JSON.parse(text)); } catch { return null; }
  }

  async function pack(value) {
    const stream = new Blob([JSON.stringify(value)]).stream().pipeThrough(new CompressionStream("deflate-raw"));
    const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
    return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join("")).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
  }

  /* What a link brings: {note} or {collection}, or null. It unpacks no further than a file may be long. */
  async function brought() {
    const packed = /^#keep=([\w-]+)$/.exec(window.location.hash)?.[1];
    if (!packed || packed.length > LONGEST.packed) return null;
    try {
      const bytes = Uint8Array.from(atob(packed.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
      const reader = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw")).getReader();
      const decoder = new TextDecoder();
      let text = "";
      for (let part = await reader.read(); !part.done; part = await reader.read()) {
        text += decoder.decode(part.value, { stream: true });
        if (text.length > LONGEST.file) return null;
      }
      const told = JSON.parse(text);
      if (told.v !== 1) return null;
      const note = checkedNote(told.note), collection = checkedCollection(told.collection);
      return note || collection ? { note, collection } : null;
    } catch {
      return null;
    }
  }

  async function copyLink(path, value) {
    const packed = await pack({ v: 1, ...value });
    if (packed.length > LONGEST.packed) return mx.tell("That is too long for a link; save it as a file.");
    const link = new URL(`${home()}${path}#keep=${packed}`, window.location.href).href;
    mx.tell((await mx.link.copy(link)) ? "Link copied." : "Copy this link: ", (await mx.link.copy(link)) ? null : link);
  }

  const collections = () => storage.keys(COLLECTION).map((key) => ({ key, ...parsed(storage.get(key), checkedCollection) })).filter((one) => one.steps);
  const keep = (key, { title, steps }) => storage.set(key, JSON.stringify({ title, steps })) && draw();
  const newKey = () => COLLECTION + crypto.getRandomValues(new Uint32Array(2)).join("");

  function save(one) {
    const told = { format: "manifold-collection", format_version: 1, title: one.title, steps: one.steps };
    const href = URL.createObjectURL(new Blob([JSON.stringify(told, null, 2)], { type: "application/json" }));
    mx.html("a", { href, download: "collection.json" }).click();
    URL.revokeObjectURL(href);
  }

  async function load(file) {
    const told = file.size > LONGEST.file ? null : parsed(await file.text(), (one) => (one.format === "manifold-collection" && one.format_version === 1 ? checkedCollection(one) : null));
    if (told) keep(newKey(), told);
    else mx.tell("That file is no collection that this version reads.");
  }

  const button = (words, onclick, extra) => mx.html("button", { type: "button", class: "button small", onclick, ...extra }, words);
  const play = async (one) => { window.location.assign(`${home()}collection#keep=${await pack({ v: 1, collection: { title: one.title, steps: one.steps } })}`); };

  function stepRow(one, index) {
    const change = (steps) => keep(one.key, { ...one, steps });
    const caption = mx.html("input", { class: "field", value: one.steps[index].text, maxlength: LONGEST.caption, placeholder: "caption", "aria-label": `Caption of ${one.steps[index].title}`,
      onchange: (event) => change(one.steps.map((step, at) => (at === index ? { ...step, text: event.target.value } : step))) });
    return mx.html("li", {}, [mx.html("a", { href: home() + one.steps[index].link }, one.steps[index].title), caption,
      button("Remove", () => change(one.steps.filter((_, at) => at !== index)), { "aria-label": `Remove ${one.steps[index].title}` })]);
  }

  function collectionBlock(one) {
    const add = () => {
      if (one.steps.length >= LONGEST.steps) return mx.tell(`A collection has at most ${LONGEST.steps} views.`);
      keep(one.key, { ...one, steps: [...one.steps, { title: document.title.slice(0, LONGEST.title), text: "", link: view() }] });
    };
    return mx.html("section", { class: "collection" }, [
      mx.html("h4", {}, one.title),
      mx.html("ol", {}, one.steps.map((_, index) => stepRow(one, index))),
      mx.html("div", { class: "row" }, [isView(view()) && button("Add this view", add), one.steps.length > 0 && button("Play", () => play(one), { class: "button small primary" }),
        button("Copy link", () => copyLink("collection", { collection: { title: one.title, steps: one.steps } })), button("Save file", () => save(one)),
        button("Delete", () => { storage.set(one.key, ""); draw(); })].filter(Boolean)),
    ]);
  }

  function noteBlock() {
    const key = NOTE + place(), path = place();
    if (!isView(path)) return [];
    const area = mx.html("textarea", { class: "field", rows: 4, maxlength: LONGEST.note, "aria-label": "Note on this page", placeholder: "Plain text",
      oninput: (event) => { storage.set(key, event.target.value); mark(); } });
    area.value = storage.get(key) || "";
    return [mx.html("h3", {}, "Note on this page"), area,
      mx.html("div", { class: "row" }, button("Copy link with this note", () => copyLink(view(), { note: { path, text: area.value } })))];
  }

  function broughtBlock(told) {
    const done = () => { window.history.replaceState(window.history.state, "", window.location.pathname + window.location.search); came = null; draw(); };
    if (!told) return [];
    const { note, collection } = told;
    const words = note ? note.text : `${collection.title} · ${collection.steps.length} views`;
    const take = () => { if (note) storage.set(NOTE + note.path, note.text); else storage.set(newKey(), JSON.stringify(collection)); done(); };
    const over = note && storage.get(NOTE + note.path) ? " in place of yours" : "";
    return [mx.html("div", { class: "notice brought" }, [mx.html("h3", {}, note ? "This link brings a note" : "This link brings a collection"), mx.html("p", {}, words),
      mx.html("div", { class: "row" }, [button(`Keep it${over}`, take, { class: "button small primary" }), button("Leave it", done)])])];
  }

  let came = null;
  function draw() {
    const box = document.querySelector("#notes-sheet .notes");
    if (!box) return;
    const name = mx.html("input", { class: "field", maxlength: LONGEST.title, placeholder: "name of a new collection", "aria-label": "Name of a new collection" });
    const make = () => { if (name.value.trim()) keep(newKey(), { title: name.value.trim(), steps: [] }); };
    const file = mx.html("input", { type: "file", accept: "application/json", onchange: (event) => event.target.files[0] && load(event.target.files[0]) });
    box.replaceChildren(mx.html("p", { class: "muted small" }, STORED), ...broughtBlock(came), ...noteBlock(), mx.html("h3", {}, "Collections of views"),
      ...collections().map(collectionBlock), mx.html("div", { class: "row" }, [name, button("New collection", make)]), mx.html("label", { class: "small muted" }, ["Load a file ", file]));
    mark();
  }

  function mark() {
    document.getElementById("notes-open")?.classList.toggle("has-note", Boolean(storage.get(NOTE + place())));
  }

  function open() {
    const sheet = document.getElementById("notes-sheet");
    if (!sheet) return;
    draw();
    if (!sheet.open) sheet.showModal();
  }

  window.addEventListener("click", (event) => {
    if (event.target.closest("#notes-open")) open();
    else if (event.target.id === "notes-sheet") event.target.close();
  });
  /* Another tab has changed something: what stands here follows, unless a hand is in it. */
  window.addEventListener("storage", (event) => {
    const sheet = document.getElementById("notes-sheet");
    if (sheet?.open && !sheet.contains(document.activeElement?.closest("textarea, input")) && event.key?.startsWith("mx-")) draw();
  });

  /* After each page: mark whether it has a note, and show what its link brings; a collection's own page plays it. */
  async function arrive() {
    mx.whenThere(() => document.getElementById("notes-open"), mark);
    if (place() === "collection") return;
    came = await brought();
    if (came) mx.whenThere(() => document.querySelector("#notes-sheet .notes"), open);
  }

  mx.notes = { open, arrive, brought, home };
})();
