// The tables of the database, with their rows, sample values and keys: filtered as one types; a click
// puts a name where one was writing.
//
//     const browser = showSchema(place, filter, (table, column) => editor.insert(...)); browser.show(schema)

import { count, icon, make, say } from "./elements.js";

function referenceMark(key) {
  const target = "→ " + key.to_table + "." + key.to_column;
  if (!key.inferred) return make("span", { class: "reference" }, target);
  const title = "Not declared: inferred from names and values, " + Math.round(key.score * 100) + "% sure";
  return make("span", { class: "reference", title }, target + " (inferred)");
}

function columnLine(table, column, references, insert) {
  const marks = [];
  if (column.primary_key) marks.push(make("span", { class: "mark", title: "Primary key" }, icon("key"), make("span", { class: "hidden-text" }, "primary key")));
  const line = make("button", { type: "button", class: "column", title: column.comment || null, "aria-description": "Puts it where you were writing", onclick: () => insert(table, column.name) },
    make("span", { class: "name" }, column.name), ...marks, make("span", { class: "type" }, (column.type || "").toLowerCase()));
  for (const key of references) line.append(referenceMark(key));
  if (column.comment) line.append(make("span", { class: "reference comment" }, column.comment));
  if (column.samples?.length && !references.length) line.append(make("span", { class: "reference samples" }, column.samples.join(", ")));
  return make("li", {}, line);
}

function rowCount({ rows, more_rows: more }) {
  return rows === null || rows === undefined ? "" : (more ? "over " : "") + count(rows, "row");
}

function tableBlock(table, keys, insert, open) {
  const list = make("ul", { id: "columns-" + table.at });
  const own = keys.filter(key => key.table === table.name);
  for (const column of table.columns) list.append(columnLine(table.name, column, own.filter(key => key.column === column.name), insert));
  const rows = make("span", { class: "type rows-of" }, rowCount(table));
  const fold = make("button", { type: "button", class: "table", "aria-expanded": "false", "aria-controls": list.id, onclick: () => set(list.hidden) },
    icon("fold"), make("span", { class: "name", title: table.comment || null }, table.name), rows);
  const add = make("button", { type: "button", class: "icon-button", "aria-label": "Insert " + table.name, title: "Insert " + table.name, onclick: () => insert(table.name) }, icon("plus"));
  const block = make("section", { class: "table-block" }, make("div", { class: "table-line" }, fold, add), list);
  function set(shown) {
    list.hidden = !shown;
    fold.setAttribute("aria-expanded", shown);
  }
  set(open);
  return { block, set, table, list, rows };
}

export function showSchema(place, filter, insert) {
  let all = [];
  const none = make("p", { class: "empty", hidden: true }, "Nothing is called so.");
  const narrow = () => {
    const wanted = filter.value.trim().toLowerCase();
    let shown = 0;
    for (const { block, set, table, list } of all) {
      const whole = table.name.toLowerCase().includes(wanted);
      let hits = 0;
      table.columns.forEach((column, at) => {
        const hit = whole || column.name.toLowerCase().includes(wanted) || (column.comment || "").toLowerCase().includes(wanted);
        list.children[at].hidden = !hit;
        hits += hit;
      });
      block.hidden = !(whole || hits);
      shown += !block.hidden;
      set(wanted ? hits > 0 : all.length <= 3);
    }
    none.hidden = shown > 0;
    if (wanted) say(count(shown, "table"));
  };
  filter.addEventListener("input", narrow);
  return {
    show(schema) {
      all = schema.tables.map((table, at) => tableBlock({ ...table, at }, schema.foreign_keys, insert, schema.tables.length <= 3));
      place.replaceChildren(...all.map(each => each.block), none);
      if (filter.value) narrow();
    },
    // Rows are counted while one reads; only their places change.
    counts(schema) {
      for (const { table, rows } of all) rows.textContent = rowCount(schema.tables.find(each => each.name === table.name) || {});
    },
  };
}
