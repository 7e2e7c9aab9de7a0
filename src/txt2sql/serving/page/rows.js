// The rows of an answer as a table: filtered, sorted by any column, a page at a time, copied, with
// totals. NULL is told from text, and numbers have thousands separators unless they only name something.
//
//     place.append(rowTable(answer))

import { button, copyText, count, icon, make, say } from "./elements.js";

const PAGE = 50;
const LONG = 240;
const WRAPPED = 32; // longer text may break anywhere
const words = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

export const isNumber = value => typeof value === "number" || typeof value === "bigint";
export const labelOf = (answer, at) => (answer.labels || answer.columns)[at] ?? answer.columns[at];

// A number with at most six decimals, a quantity with separators; the whole one is the cell's title.
export function shown(value, quantity = false) {
  if (quantity && isNumber(value) && (Math.abs(Number(value)) >= 1e-4 || !value)) return value.toLocaleString("en", { maximumFractionDigits: 6 });
  if (typeof value !== "number" || Number.isInteger(value)) return String(value);
  return Math.abs(value) >= 1e-4 ? String(Number(value.toFixed(6))) : String(value);
}

function cell(value, kind, quantity) {
  if (value === null) return make("td", { class: kind }, make("span", { class: "null", title: "No value" }, "NULL"));
  const text = shown(value, quantity);
  if (text.length <= LONG) return make("td", { class: !kind && text.length > WRAPPED ? "wraps" : kind, title: isNumber(value) && text !== String(value) ? String(value) : null }, text);
  const place = make("td", { class: "long wraps" });
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

// Rows as spreadsheets take them from the clipboard; text that they would run as a formula is marked.
export function tabbed(columns, rows) {
  const plain = value => (value === null ? "" : isNumber(value) ? String(value) : String(value).replace(/[\t\r\n]+/g, " ").replace(/^\s*[=+\-@＝＋－＠]/, "'$&"));
  return [columns, ...rows].map(row => row.map(plain).join("\t")).join("\n");
}

// Sum and average of the quantities of some rows: [text, text], or null where a column has none.
function total(rows, at) {
  const values = rows.map(row => row[at]).filter(isNumber);
  if (!values.length) return null;
  const sum = values.every(value => typeof value === "bigint" || Number.isInteger(value)) ? values.reduce((all, value) => all + BigInt(value), 0n) : values.reduce((all, value) => all + Number(value), 0);
  return [shown(sum, true), shown(Number((Number(sum) / values.length).toPrecision(6)), true)];
}

export function rowTable(answer) {
  const { columns, rows } = answer, quantities = new Set(answer.amounts || []);
  if (!rows.length) return make("p", { class: "empty" }, "The query ran and found no rows.");
  const kinds = columns.map((_, at) => ({ number: "n", date: "date" })[(answer.types || [])[at]] || null);
  const state = { column: -1, direction: 0, page: 0, rows, chosen: rows };
  const body = make("tbody"), foot = make("tfoot", { hidden: true });
  const heads = columns.map((name, at) => make("th", { scope: "col", class: kinds[at] === "n" ? "n" : null },
    make("button", { type: "button", title: labelOf(answer, at) === name ? null : name, onclick: () => sort(at) }, make("span", {}, labelOf(answer, at)), make("span", { class: "arrow", "aria-hidden": "true" }))));
  const number = make("span", { class: "range" });
  const turn = (label, to) => make("button", { type: "button", class: "icon-button", "aria-label": label, onclick: () => { state.page = to(); fill(true); } }, icon("fold"));
  const last = () => Math.max(0, Math.ceil(state.rows.length / PAGE) - 1);
  const back = turn("Previous rows", () => Math.max(0, state.page - 1)), forth = turn("Next rows", () => Math.min(last(), state.page + 1));
  back.classList.add("back");
  const widths = columns.map((_, at) => Math.max(labelOf(answer, at).length, ...rows.slice(0, PAGE).map(row => (row[at] === null ? 4 : shown(row[at]).length))));
  const narrow = widths.reduce((sum, width) => sum + width + 4, 0) < 72;
  const area = make("div", { class: "table-area", role: "region", "aria-label": "Rows", tabindex: "0" },
    make("table", { class: narrow ? "narrow" : null }, make("thead", {}, make("tr", {}, ...heads)), body, foot));
  const filter = make("input", { type: "search", class: "row-filter", placeholder: "Filter rows", "aria-label": "Filter rows", autocomplete: "off", spellcheck: "false", oninput: () => choose() });
  const totals = button("Totals", { class: "quiet", "aria-pressed": "false", onclick: () => {
    foot.hidden = !foot.hidden;
    totals.setAttribute("aria-pressed", !foot.hidden);
    fill();
  } });
  const copy = button("Copy rows", { class: "quiet", onclick: () => copyText(tabbed(columns, state.rows), copy) }, "copy");

  function choose() {
    const wanted = filter.value.trim().toLowerCase();
    state.chosen = wanted ? rows.filter(row => row.some((value, at) => value !== null && (String(value) + "\n" + shown(value, quantities.has(at))).toLowerCase().includes(wanted))) : rows;
    state.rows = sorted(state.chosen, state.column, state.direction);
    state.page = 0;
    fill();
    say(count(state.rows.length, "row"));
  }

  function sort(at) {
    state.direction = state.column !== at ? 1 : { 1: -1, "-1": 0, 0: 1 }[state.direction];
    state.column = at;
    state.rows = sorted(state.chosen, at, state.direction);
    state.page = 0;
    heads.forEach((head, each) => {
      const way = each === at ? state.direction : 0;
      if (way) head.setAttribute("aria-sort", way > 0 ? "ascending" : "descending");
      else head.removeAttribute("aria-sort");
    });
    fill();
    say(state.direction ? "Sorted by " + labelOf(answer, at) + (state.direction > 0 ? ", ascending" : ", descending") : "In the order of the query");
  }

  function fill(turned) {
    const from = state.page * PAGE, part = state.rows.slice(from, from + PAGE), all = state.rows.length;
    body.replaceChildren(...part.map(row => make("tr", {}, ...row.map((value, at) => cell(value, kinds[at], quantities.has(at))))));
    const of = (all < rows.length ? all.toLocaleString("en") + " of " : "") + count(rows.length, "row") + (answer.truncated ? ", and there are more" : "");
    const range = all > PAGE ? (from + 1).toLocaleString("en") + "–" + (from + part.length).toLocaleString("en") + " of " + of : of;
    number.textContent = range;
    back.disabled = !state.page;
    forth.disabled = state.page >= last();
    if (!foot.hidden) {
      const sums = columns.map((_, at) => (quantities.has(at) ? total(state.rows, at) : null));
      foot.replaceChildren(...["Sum", "Average"].map((name, line) => make("tr", {}, ...sums.map(each => make("td", { class: "n" }, ...(each ? [make("span", { class: "type" }, name + " "), each[line]] : []))))));
    }
    if (turned) { area.scrollTop = 0; say("Rows " + range); }
  }

  fill();
  return make("div", { class: "rows" },
    make("div", { class: "row-tools" }, rows.length > 5 ? filter : null, make("span", { class: "buttons" }, quantities.size && rows.length > 1 ? totals : null, copy)),
    area, make("div", { class: "pages" }, number, rows.length > PAGE ? make("span", {}, back, forth) : null));
}
