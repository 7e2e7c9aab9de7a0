// Names of the schema: completed while SQL is written, quoted where they must be, and the nearest one
// to a name that does not exist ("did you mean").
//
//     useSchema(database); completions("SELECT na", 9).names; didYouMean("no such table: shop", "SELECT …")

import { make, say } from "./elements.js";

const MOST = 8;
let tables = [], mark = '"';

export function useSchema({ dialect, schema }) {
  tables = schema.tables;
  mark = ["mysql", "mariadb"].includes(dialect) ? "`" : '"';
}

// SQL wants some names in quotes; a question has them as they are.
export function quoted(name) {
  return /^[a-z_][a-z0-9_]*$/i.test(name) ? name : mark + name.replaceAll(mark, mark + mark) + mark;
}

const same = (one, other) => one.toLowerCase() === other.toLowerCase();

// The tables that a statement names, by name and alias.
function sources(sql) {
  const named = new Map();
  for (const [, name, alias] of sql.matchAll(/\b(?:from|join)\s+["`]?([\w$]+)["`]?(?:\s+(?:as\s+)?(?!on\b|where\b|group\b|order\b|join\b|left\b|inner\b|limit\b)([\w$]+))?/giu)) {
    const table = tables.find(each => same(each.name, name));
    if (table) for (const each of [name, alias].filter(Boolean)) named.set(each.toLowerCase(), table);
  }
  return named;
}

// What may stand where the caret is: `from` is where the written part of the name begins.
export function completions(sql, at) {
  const head = sql.slice(0, at), none = { from: at, names: [] };
  if (head.split("'").length % 2 === 0) return none;
  const [, owner, part] = /(?:([\p{L}_][\p{L}\p{N}_$]*)\.)?((?:[\p{L}_][\p{L}\p{N}_$]*)?)$/u.exec(head);
  const named = sources(sql), columns = table => table.columns.map(column => column.name);
  const owning = owner && (named.get(owner.toLowerCase()) || tables.find(each => same(each.name, owner)));
  if (owner ? !owning : part.length < 2) return none;
  const all = owning ? columns(owning) : [...[...named.values()].flatMap(columns), ...tables.map(each => each.name), ...tables.flatMap(columns)];
  const names = [...new Set(all)].filter(name => name.toLowerCase().startsWith(part.toLowerCase()));
  return { from: at - part.length, names: names.some(name => same(name, part)) ? [] : names.slice(0, MOST) };
}

// How many letters must be added, left out, changed or swapped.
function distance(one, other) {
  let before = [], line = [...Array(other.length + 1).keys()];
  for (let i = 1; i <= one.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= other.length; j += 1) {
      next[j] = Math.min(line[j] + 1, next[j - 1] + 1, line[j - 1] + (one[i - 1] !== other[j - 1]));
      if (i > 1 && one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1]) next[j] = Math.min(next[j], before[j - 2] + 1);
    }
    [before, line] = [line, next];
  }
  return line[other.length];
}

// The name that an error is about and the likeliest ones that exist: [wrong, [right, …]], or null.
export function didYouMean(sentence, sql) {
  const match = /(?:column|table|relation|name)s?\b[^\w"'`]*(?:with name |named )?["'`]?([\p{L}_][\p{L}\p{N}_.$]*)/iu.exec(sentence);
  if (!match) return null;
  const wrong = match[1].split(".").pop(), plain = wrong.toLowerCase();
  if (!new RegExp("(?<![\\p{L}\\p{N}_])" + wrong.replaceAll("$", "\\$") + "(?![\\p{L}\\p{N}_])", "iu").test(sql)) return null;
  const used = new Set(sources(sql).values()), isTable = /table|relation/i.test(match[0]);
  const all = isTable ? tables.map(each => each.name) : (used.size ? [...used] : tables).flatMap(each => each.columns.map(column => column.name));
  const near = [...new Set(all)].map(name => [distance(plain, name.toLowerCase()) - (name.toLowerCase().includes(plain) ? 2 : 0), name])
    .filter(([far, name]) => far <= Math.max(1, Math.min(3, name.length / 3))).sort((a, b) => a[0] - b[0]).slice(0, 3).map(each => each[1]);
  const owners = isTable ? [] : tables.filter(each => each.columns.some(column => same(column.name, wrong))).map(each => each.name);
  return near.length || owners.length ? [wrong, near, owners] : null;
}

// Offers names under the caret of an editor as one types: arrows choose, Tab or Enter takes, Esc closes.
export function offerNames(area, under, id) {
  const list = make("ul", { class: "names", id, role: "listbox", "aria-label": "Names of the database", hidden: true });
  let state = { from: 0, names: [] }, at = 0;
  area.setAttribute("aria-autocomplete", "list");

  function close() {
    list.hidden = true;
    for (const name of ["aria-activedescendant", "aria-controls"]) area.removeAttribute(name);
  }

  function choose(to) {
    at = (to + state.names.length) % state.names.length;
    [...list.children].forEach((each, i) => each.setAttribute("aria-selected", i === at));
    area.setAttribute("aria-activedescendant", id + "-" + at);
  }

  function take(name) {
    area.setRangeText(quoted(name), state.from, area.selectionEnd, "end");
    close();
    area.focus();
    area.dispatchEvent(new Event("input", { bubbles: true }));
  }

  // The caret's place is that of the same letter in the coloured copy below the text.
  function place() {
    const range = document.createRange(), walk = document.createTreeWalker(under, NodeFilter.SHOW_TEXT);
    let left = state.from, node = walk.nextNode();
    while (node && left > node.length) { left -= node.length; node = walk.nextNode(); }
    if (!node) return;
    range.setStart(node, Math.min(left, node.length));
    const box = range.getBoundingClientRect(), around = list.offsetParent.getBoundingClientRect();
    list.style.left = Math.max(0, Math.min(box.left - around.left, around.width - list.offsetWidth)) + "px";
    list.style.top = box.bottom - around.top + 4 + "px";
  }

  area.addEventListener("input", event => {
    if (!event.inputType || area.selectionStart !== area.selectionEnd) return close();
    state = completions(area.value, area.selectionEnd);
    if (!state.names.length) return close();
    list.replaceChildren(...state.names.map((name, i) => make("li", { role: "option", id: id + "-" + i, onpointerdown: pressed => { pressed.preventDefault(); take(name); } }, name)));
    list.hidden = false;
    area.setAttribute("aria-controls", id);
    choose(0);
    place();
    say(state.names.length + " names, Tab takes " + state.names[0]);
  });
  area.addEventListener("blur", close);
  area.addEventListener("keydown", event => {
    if (list.hidden) return;
    if (event.ctrlKey || event.metaKey) return event.key === "Enter" && close();
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) choose(at + step);
    else if ((event.key === "Tab" && !event.shiftKey) || event.key === "Enter") take(state.names[at]);
    else if (event.key === "Escape") close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  return list;
}
