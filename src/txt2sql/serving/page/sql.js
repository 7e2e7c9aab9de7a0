// SQL in colours, and an editor for it: a textarea whose text is transparent over a coloured copy.
//
//     const editor = makeEditor("sql", sql => run(sql)); editor.text = "SELECT 1"

import { offerNames } from "./complete.js";
import { make } from "./elements.js";

const WORDS = "all and any as asc between by case cast collate create cross current_date current_time current_timestamp delete desc distinct drop else end escape except exists false fetch first following for from full glob group having ilike in inner insert intersect interval into is join lateral last left like limit natural not null nulls offset on or order outer over partition preceding range recursive right row rows select set some table then true unbounded union update using values when where window with".split(" ");
const KEYWORDS = new Set(WORDS);
const TOKEN = /(?<comment>--[^\n]*|\/\*[^]*?(?:\*\/|$))|(?<string>'(?:[^']|'')*'?)|(?<name>"(?:[^"]|"")*"?|`[^`]*`?|\[[^\]\n]*\])|(?<number>\b\d+(?:\.\d+)?(?:e[+-]?\d+)?\b)|(?<word>[\p{L}_][\p{L}\p{N}_$]*)/giu;

// The tokens of a statement as elements and text; together they are exactly the text.
export function coloured(sql) {
  const parts = [];
  let at = 0;
  for (const found of sql.matchAll(TOKEN)) {
    if (found.index > at) parts.push(sql.slice(at, found.index));
    at = found.index + found[0].length;
    const kind = Object.keys(found.groups).find(name => found.groups[name] !== undefined);
    const style = kind !== "word" ? kind
      : KEYWORDS.has(found[0].toLowerCase()) ? "keyword"
      : /^\s*\(/.test(sql.slice(at, at + 9)) ? "function" : "";
    parts.push(style && style !== "name" ? make("span", { class: "sql-" + style }, found[0]) : found[0]);
  }
  parts.push(sql.slice(at));
  return parts;
}

// A statement on lines of its own clauses, for reading; text in quotes and comments stays as it is.
export function laidOut(sql) {
  if (sql.includes("\n") || sql.length < 60) return sql;
  let depth = 0, at = 0, out = "";
  const breaks = /[()]|\b(?:from|where|group by|having|order by|limit|union(?: all)?|intersect|except|(?:(?:left|right|full|inner|cross)(?: outer)? )?join)\b/giy;
  const quoted = /'(?:[^']|'')*'?|"(?:[^"]|"")*"?|`[^`]*`?|\[[^\]]*\]|--.*|\/\*[^]*?(?:\*\/|$)|[\p{L}\p{N}_$.]+|[^]/uy;
  while (at < sql.length) {
    breaks.lastIndex = quoted.lastIndex = at;
    const clause = breaks.exec(sql);
    const text = clause ? clause[0] : quoted.exec(sql)[0];
    if (text === "(") depth += 1;
    else if (text === ")") depth -= 1;
    else if (clause && !depth && out) out = out.trimEnd() + "\n";
    out += text;
    at += text.length;
  }
  return out;
}

// An editor element with `text`, `focus()` and `insert(text)`; Ctrl+Enter (or ⌘ Enter) calls `run`.
export function makeEditor(id, run, changed = () => {}) {
  const under = make("pre", { "aria-hidden": "true" });
  const area = make("textarea", {
    id, "aria-label": "SQL, can be edited; Control and Enter runs it", "aria-keyshortcuts": "Control+Enter",
    spellcheck: "false", autocomplete: "off", autocapitalize: "off", autocorrect: "off", wrap: "soft", rows: "1",
  });
  const paint = () => {
    under.replaceChildren(...coloured(area.value), "\n");
    changed(area.value);
  };
  area.addEventListener("input", paint);
  const names = offerNames(area, under, id + "-names");
  area.addEventListener("keydown", event => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    run(area.value);
  });
  return {
    element: make("div", { class: "editor-place" }, make("div", { class: "editor" }, under, area), names),
    area,
    get text() { return area.value; },
    set text(sql) { area.value = sql; paint(); },
    insert(text) { put(area, text); },
  };
}

// Puts text where the caret is, with a space where it would touch a word, as if it were typed.
export function put(area, text) {
  const { selectionStart: from, selectionEnd: to, value } = area;
  const before = from > 0 && !/[\s(.,]$/.test(value.slice(0, from)) ? " " : "";
  const after = /^[\s),.;]/.test(value.slice(to)) || to === value.length ? "" : " ";
  area.focus();
  area.setRangeText(before + text + after, from, to, "end");
  area.dispatchEvent(new Event("input", { bubbles: true }));
}
