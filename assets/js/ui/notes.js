/** The sheet of notes and collections. They stay in this browser's storage, one key each, and travel in links and files. */

import {
  collectionFile,
  collectionFromFile,
  contentOfLink,
  home,
  isView,
  LIMITS,
  pack,
  pagePath,
  pageView,
  storedCollection,
} from "./collection.js";
import { closest, find, html, whenPresent } from "./dom.js";
import { copyText, saveFile } from "./export.js";
import { notify } from "./toast.js";

const NOTE = "mx-note ";
const COLLECTION = "mx-collection ";
const PRIVACY =
  "Kept in this browser alone, in its local storage: no server sees them. They travel in the links and files that you make here.";

const storage = {
  /** @param {string} key */
  get(key) {
    try {
      return window.localStorage.getItem(key);
    } catch {
      return null;
    }
  },
  /**
   * @param {string} key
   * @param {string} value "" removes the key
   * @returns {boolean} whether it was stored
   */
  set(key, value) {
    try {
      if (value) window.localStorage.setItem(key, value);
      else window.localStorage.removeItem(key);
      return true;
    } catch {
      notify("Not saved: this browser's storage is full or switched off.");
      return false;
    }
  },
  /** @param {string} prefix */
  keys(prefix) {
    try {
      return Object.keys(window.localStorage)
        .filter((key) => key.startsWith(prefix))
        .sort();
    } catch {
      return [];
    }
  },
};

/** @returns {StoredCollection[]} */
function collections() {
  return storage.keys(COLLECTION).flatMap((key) => {
    const collection = storedCollection(storage.get(key));
    return collection ? [{ key, ...collection }] : [];
  });
}

/**
 * @param {string} key
 * @param {Collection} collection
 */
function store(key, { title, steps }) {
  if (storage.set(key, JSON.stringify({ title, steps }))) draw();
}

const newKey = () => COLLECTION + crypto.getRandomValues(new Uint32Array(2)).join("");

/**
 * Copy a link that carries a note or a collection.
 *
 * @param {string} path of the page that the link opens
 * @param {{ note: PageNote } | { collection: Collection }} content
 */
async function copyLinkWith(path, content) {
  const packed = await pack(content);
  if (packed.length > LIMITS.packed)
    return notify("That is too long for a link; save it as a file.");
  const link = new URL(`${home()}${path}#keep=${packed}`, window.location.href).href;
  const copied = await copyText(link);
  notify(copied ? "Link copied." : "Copy this link: ", copied ? null : link);
}

/** @param {File} file */
async function load(file) {
  const collection = await collectionFromFile(file);
  if (collection) store(newKey(), collection);
  else notify("The file holds no collection that this version can read.");
}

/**
 * @param {string} text
 * @param {() => void} onclick
 * @param {Attributes} [attributes]
 */
const button = (text, onclick, attributes = {}) =>
  html("button", { type: "button", class: "button small", onclick, ...attributes }, text);

/** @param {Collection} collection */
async function play({ title, steps }) {
  const packed = await pack({ collection: { title, steps } });
  window.location.assign(`${home()}collection#keep=${packed}`);
}

/**
 * @param {StoredCollection} collection
 * @param {number} index
 */
function stepRow(collection, index) {
  const { key, title: name, steps } = collection;
  const { title, text, link } = steps[index];
  /** @param {CollectionStep[]} changed */
  const change = (changed) => store(key, { title: name, steps: changed });
  const caption = html("input", {
    class: "field",
    value: text,
    maxlength: LIMITS.caption,
    placeholder: "caption",
    "aria-label": `Caption of ${title}`,
    onchange: ({ target }) => change(steps.with(index, { ...steps[index], text: target.value })),
  });
  const remove = () => change(steps.toSpliced(index, 1));
  return html("li", {}, [
    html("a", { href: home() + link }, title),
    caption,
    button("Remove", remove, { "aria-label": `Remove ${title}` }),
  ]);
}

/** @param {StoredCollection} collection */
function collectionBlock(collection) {
  const { key, title, steps } = collection;
  const add = () => {
    if (steps.length >= LIMITS.steps)
      return notify(`A collection has at most ${LIMITS.steps} views.`);
    const view = { title: document.title.slice(0, LIMITS.title), text: "", link: pageView() };
    store(key, { title, steps: [...steps, view] });
  };
  const remove = () => {
    storage.set(key, "");
    draw();
  };
  const copy = () => copyLinkWith("collection", { collection: { title, steps } });
  const save = () => saveFile(collectionFile(collection), "collection.json");
  return html("section", { class: "collection" }, [
    html("h4", {}, title),
    html(
      "ol",
      {},
      steps.map((_, index) => stepRow(collection, index)),
    ),
    html("div", { class: "row" }, [
      isView(pageView()) ? button("Add this view", add) : null,
      steps.length
        ? button("Play", () => play(collection), { class: "button small primary" })
        : null,
      button("Copy link", copy),
      button("Save file", save),
      button("Delete", remove),
    ]),
  ]);
}

function noteBlock() {
  const path = pagePath();
  if (!isView(path)) return [];
  const area = html("textarea", {
    class: "field",
    rows: 4,
    maxlength: LIMITS.note,
    "aria-label": "Note on this page",
    placeholder: "Plain text",
    oninput: ({ target }) => {
      storage.set(NOTE + path, target.value);
      markPage();
    },
  });
  area.value = storage.get(NOTE + path) || "";
  const copy = () => copyLinkWith(pageView(), { note: { path, text: area.value } });
  return [
    html("h3", {}, "Note on this page"),
    area,
    html("div", { class: "row" }, button("Copy link with this note", copy)),
  ];
}

/** @type {{ note: PageNote | null, collection: Collection | null } | null} */
let received = null;

/** What the page's link carries, and whether to keep it. */
function receivedBlock() {
  if (!received) return [];
  const { note, collection } = received;
  const done = () => {
    const { pathname, search } = window.location;
    window.history.replaceState(window.history.state, "", pathname + search);
    received = null;
    draw();
  };
  const take = () => {
    if (note) storage.set(NOTE + note.path, note.text);
    else storage.set(newKey(), JSON.stringify(collection));
    done();
  };
  const text = note ? note.text : `${collection?.title} · ${collection?.steps.length} views`;
  const over = note && storage.get(NOTE + note.path) ? " in place of yours" : "";
  const block = html("div", { class: "notice brought" }, [
    html("h3", {}, note ? "This link brings a note" : "This link brings a collection"),
    html("p", {}, text),
    html("div", { class: "row" }, [
      button(`Keep it${over}`, take, { class: "button small primary" }),
      button("Leave it", done),
    ]),
  ]);
  return [block];
}

function newCollectionRow() {
  const name = html("input", {
    class: "field",
    maxlength: LIMITS.title,
    placeholder: "name of a new collection",
    "aria-label": "Name of a new collection",
  });
  const make = () => {
    const title = name.value.trim();
    if (title) store(newKey(), { title, steps: [] });
  };
  return html("div", { class: "row" }, [name, button("New collection", make)]);
}

function fileRow() {
  const file = html("input", {
    type: "file",
    accept: "application/json",
    onchange: ({ target }) => {
      if (target.files?.[0]) load(target.files[0]);
    },
  });
  return html("label", { class: "small muted" }, ["Load a file ", file]);
}

function draw() {
  const box = document.querySelector("#notes-sheet .notes");
  if (!box) return;
  box.replaceChildren(
    html("p", { class: "muted small" }, PRIVACY),
    ...receivedBlock(),
    ...noteBlock(),
    html("h3", {}, "Collections of views"),
    ...collections().map(collectionBlock),
    newCollectionRow(),
    fileRow(),
  );
  markPage();
}

/** Mark the button where the page has a note. */
function markPage() {
  find("notes-open")?.classList.toggle("has-note", Boolean(storage.get(NOTE + pagePath())));
}

function open() {
  const sheet = find("notes-sheet");
  if (!(sheet instanceof HTMLDialogElement)) return;
  draw();
  if (!sheet.open) sheet.showModal();
}

window.addEventListener("click", ({ target }) => {
  if (closest(target, "#notes-open")) open();
  else if (target instanceof HTMLDialogElement && target.id === "notes-sheet") target.close();
});

/* Another tab has changed something: the sheet follows, unless someone is typing in it. */
window.addEventListener("storage", ({ key }) => {
  const sheet = find("notes-sheet");
  if (!(sheet instanceof HTMLDialogElement) || !sheet.open || !key?.startsWith("mx-")) return;
  if (!sheet.contains(closest(document.activeElement, "textarea, input"))) draw();
});

/** After a page has opened: mark whether it has a note, and show what its link carries; the collection's page plays it. */
export async function openNotesOfPage() {
  whenPresent(() => find("notes-open"), markPage);
  if (pagePath() === "collection") return;
  received = await contentOfLink();
  if (received) whenPresent(() => document.querySelector("#notes-sheet .notes"), open);
}
