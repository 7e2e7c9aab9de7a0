// The rows of an answer as a table: sorted by any column, a page at a time, NULL told from text.
//
//     place.append(rowTable(answer))

import { button, count, icon, make, say } from "./elements.js";

const PAGE = 50;
const LONG = 240;
const words = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

export const isNumber = value => typeof value === "number" || typeof value === "bigint";

// A number with at most six decimals; the whole one is the cell's title.
export function shown(value) {
  if (typeof value !== "number" || Number.isInteger(value)) return String(value);
  const short = Math.abs(value) >= 1e-4 ? String(Number(value.toFixed(6))) : String(value);
  return short;
}

function cell(value, numeric) {
  const kind = numeric ? "n" : null;
  if (value === null) return make("td", { class: kind }, make("span", { class: "null", title: "No value" }, "NULL"));
  const text = shown(value);
  if (text.length <= LONG) return make("td", { class: kind, title: text === String(value) ? null : String(value) }, text);
  const place = make("td", { class: "long" });
  const more = button("show all", { class: "link", onclick: () => place.replaceChildren(text) });
  place.append(text.slice(0, LONG) + "… ", more);
  return place;
}

// -1, 0 or 1 for two cells that are not NULL: numbers before texts, texts as a dictionary has them.
export function compare(one, other) {
  if (isNumber(one) && isNumber(other)) return one < other ? -1 : one > other ? 1 : 0;
  if (isNumber(one) !== isNumber(other)) return isNumber(one) ? -1 : 1;
  return words.compare(String(one), String(other));
}

// The rows in the order of a column; NULL comes last in both directions.
export function sorted(rows, column, direction) {
  if (!direction) return rows;
  return [...rows].sort((a, b) => {
    const [one, other] = [a[column], b[column]];
    if (one === null || other === null) return (one === null) - (other === null);
    return direction * compare(one, other);
  });
}

export function rowTable(answer) {
  const { columns, rows } = answer;
  const numeric = columns.map((_, at) => (answer.types || [])[at] === "number" || (rows.length > 0 && rows.every(row => row[at] === null || isNumber(row[at])) && rows.some(row => row[at] !== null)));
  const state = { column: -1, direction: 0, page: 0, rows };
  const body = make("tbody");
  const heads = columns.map((name, at) => make("th", { scope: "col", class: numeric[at] ? "n" : null },
    make("button", { type: "button", onclick: () => sort(at) }, make("span", {}, name), make("span", { class: "arrow", "aria-hidden": "true" }))));
  const number = make("span", { class: "range" });
  const turn = (label, to) => make("button", { type: "button", class: "icon-button", "aria-label": label, onclick: () => { state.page = to(); fill(true); } }, icon("fold"));
  const last = () => Math.max(0, Math.ceil(rows.length / PAGE) - 1);
  const back = turn("Previous rows", () => Math.max(0, state.page - 1)), forth = turn("Next rows", () => Math.min(last(), state.page + 1));
  back.classList.add("back");
  const widths = columns.map((name, at) => Math.max(name.length, ...rows.slice(0, PAGE).map(row => (row[at] === null ? 4 : shown(row[at]).length))));
  const narrow = widths.reduce((sum, width) => sum + width + 4, 0) < 72;
  const area = make("div", { class: "table-area", role: "region", "aria-label": "Rows", tabindex: "0" },
    make("table", { class: narrow ? "narrow" : null }, make("thead", {}, make("tr", {}, ...heads)), body));
  const total = count(rows.length, "row") + (answer.truncated ? ", and there are more" : "");

  function sort(at) {
    state.direction = state.column !== at ? 1 : { 1: -1, "-1": 0, 0: 1 }[state.direction];
    state.column = at;
    state.rows = sorted(rows, at, state.direction);
    state.page = 0;
    heads.forEach((head, each) => {
      const way = each === at ? state.direction : 0;
      if (way) head.setAttribute("aria-sort", way > 0 ? "ascending" : "descending");
      else head.removeAttribute("aria-sort");
    });
    fill();
    say(state.direction ? "Sorted by " + columns[at] + (state.direction > 0 ? ", ascending" : ", descending") : "In the order of the query");
  }

  function fill(told) {
    const from = state.page * PAGE, part = state.rows.slice(from, from + PAGE);
    body.replaceChildren(...part.map(row => make("tr", {}, ...row.map((value, at) => cell(value, numeric[at])))));
    const range = rows.length > PAGE ? (from + 1).toLocaleString("en") + "–" + (from + part.length).toLocaleString("en") + " of " + total : total;
    number.textContent = range;
    back.disabled = !state.page;
    forth.disabled = state.page >= last();
    if (told) { area.scrollTop = 0; say("Rows " + range); }
  }

  fill();
  if (!rows.length) return make("p", { class: "empty" }, "The query ran and found no rows.");
  return make("div", { class: "rows" }, area, make("div", { class: "pages" }, number, rows.length > PAGE ? make("span", {}, back, forth) : null));
}
