// One answer: what it says in a sentence, its SQL to edit and run again, its rows, chart and search,
// what the question's words were matched with, and whether a person found it right.
//
//     const view = showAnswer(place, answer, { busy }); view.editor.insert("shops.name")

import * as api from "./api.js";
import { chart } from "./chart.js";
import { button, count, icon, make, say, tabs } from "./elements.js";
import { rowTable } from "./rows.js";
import { laidOut, makeEditor } from "./sql.js";
import { drawTree } from "./tree.js";

const NAMED = 6; // tables and columns named of those left out
const VIEWS = { chart: ["Chart", "chart"], table: ["Table", "table"], search: ["Search", "tree"] };
let preferred = "chart"; // or "table", if that was chosen last

export function failure(message, ...more) {
  return make("div", { class: "failure", role: "alert" }, icon("alert"), make("div", {}, make("p", {}, message), ...more));
}

function certainty(confidence) {
  const level = confidence >= 0.8 ? "high" : confidence >= 0.5 ? "middle" : "low";
  const text = confidence < 0.005 ? "under 1%" : Math.round(confidence * 100) + "%";
  const fill = make("i");
  fill.style.width = confidence * 100 + "%";
  const told = { high: text + " sure", middle: text + " sure", low: "Only " + text + " sure: read the SQL before you rely on it" }[level];
  return make("span", { class: "certainty " + level }, make("span", { class: "meter", "aria-hidden": "true" }, fill), told);
}

function facts(answer) {
  const parts = [];
  if (answer.confidence !== null && answer.confidence !== undefined) parts.push(certainty(answer.confidence));
  if (answer.error === null) parts.push(make("span", {}, count(answer.rows.length, "row") + (answer.truncated ? " and more" : "")));
  parts.push(make("span", {}, answer.seconds.toFixed(2) + " s"));
  if (answer.model) parts.push(make("span", {}, answer.model));
  return make("p", { class: "facts" }, ...parts);
}

// Cells of the database that words of the question stand for.
function matched(matches) {
  if (!matches.length) return null;
  return make("details", { class: "more" }, make("summary", {}, "Words found in the database (" + matches.length + ")"),
    make("ul", { class: "matches" }, ...matches.map(each => make("li", {}, "“" + each.text + "” is ", make("code", {}, each.table + "." + each.column), " = ", make("code", {}, each.value)))));
}

// What the prompt had no room for: the model could not use it unless it guessed the name.
function leftOut(dropped) {
  if (!dropped.length) return null;
  const rest = dropped.length - NAMED;
  return make("p", { class: "hint dropped", title: dropped.slice(0, 200).join(", ") },
    "Not shown to the model for length: " + dropped.slice(0, NAMED).join(", ") + (rest > 0 ? " and " + rest + " more" : ""));
}

function otherQueries(answer, tryOut) {
  const others = answer.tree ? [] : answer.candidates.filter(sql => sql !== answer.sql);
  if (!others.length) return null;
  return make("details", { class: "more" }, make("summary", {}, "Other queries it thought of (" + others.length + ")"),
    make("ul", { class: "others" }, ...others.map(sql => make("li", {}, make("code", {}, sql), button("Try", { class: "quiet", onclick: () => tryOut(sql) }, "play")))));
}

export function showAnswer(place, asked, { busy }) {
  let answer = asked; // what is shown: the model's, or that of edited SQL
  let current = null; // what is running
  const written = laidOut(asked.sql || "");
  const name = asked.question ? make("h2", { class: "asked" }, asked.question) : null;
  const head = make("div", { class: "head" }), result = make("div", { class: "result" }), judging = make("div", { class: "judging" });
  const runs = button("Run", { class: "run", title: "Ctrl+Enter", onclick: () => (current ? current.stop() : run()) }, "play");
  const reset = button("Undo edits", { class: "quiet", hidden: true, onclick: () => { editor.text = written; editor.area.focus(); run(); } }, "undo");
  const copy = button("Copy", { class: "quiet", onclick: copied }, "copy");
  const editor = makeEditor(run, text => { reset.hidden = text === written; });
  editor.text = written;
  const sql = make("section", { class: "sql", "aria-label": "SQL" },
    make("div", { class: "bar-line" }, make("h3", {}, "SQL"), make("span", { class: "key-hint" }, make("kbd", {}, "Ctrl"), " ", make("kbd", {}, "Enter"), " runs it"), make("span", { class: "buttons" }, reset, copy, runs)),
    editor.element);

  async function copied() {
    try {
      await navigator.clipboard.writeText(editor.text);
      say("Copied");
      copy.lastChild.textContent = "Copied";
    } catch {
      editor.area.select(); // no clipboard over plain HTTP: one key press copies what is marked
      copy.lastChild.textContent = "Press Ctrl+C";
    }
    setTimeout(() => { copy.lastChild.textContent = "Copy"; }, 1600);
  }

  async function run() {
    const text = editor.text.trim(), id = api.newId();
    const mine = text && busy(id, "Running the SQL");
    if (!mine) return;
    current = mine;
    runs.replaceChildren(icon("stop"), make("span", {}, "Stop"));
    try {
      const found = await api.run(text, id, mine.signal);
      answer = text === written.trim() && asked.error === null ? { ...found, confidence: asked.confidence, question: asked.question } : found;
      fill();
      say(answer.error || count(answer.rows.length, "row"));
    } catch (problem) {
      if (problem.name === "AbortError") say("Stopped");
      else result.replaceChildren(failure(problem.message));
    } finally {
      current = null;
      runs.replaceChildren(icon("play"), make("span", {}, "Run"));
      mine.done();
    }
  }

  function tryOut(other) {
    editor.text = laidOut(other);
    editor.area.focus();
    run();
  }

  function fill() {
    const edited = editor.text.trim() !== written.trim();
    head.replaceChildren(...[
      name,
      answer.explanation ? make("p", { class: "explanation" }, answer.explanation) : null,
      facts(answer)].filter(Boolean));
    result.replaceChildren(...(answer.error !== null && answer.error !== undefined ? [failure(answer.error, hint())] : []), ...views());
    judging.replaceChildren(...(asked.question && asked.sql ? judgement(asked, editor, edited) : []));
  }

  function hint() {
    return asked.sql ? make("p", { class: "hint" }, "Edit the SQL above and run it again, or ask in other words.") : null;
  }

  async function save(kind, pressed) {
    pressed.disabled = true;
    try {
      const [content, name] = await api.rows(answer.id, kind);
      const link = make("a", { href: URL.createObjectURL(content), download: name });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    } catch (problem) {
      for (const old of result.querySelectorAll(".failure")) old.remove();
      result.prepend(failure(problem.message));
    } finally {
      pressed.disabled = false;
    }
  }

  function views() {
    const found = {};
    if (answer.error === null) {
      if (answer.chart && answer.rows.length) found.chart = () => chart(answer);
      found.table = () => rowTable(answer);
    }
    if (asked.tree) found.search = () => { const box = make("div"); drawTree(box, asked.tree, "h4"); return box; };
    const names = Object.keys(found);
    if (!names.length) return [];
    const list = make("div", { class: "tabs", role: "tablist", "aria-label": "Result" });
    const panels = names.map(name => make("div", { id: "view-" + name, role: "tabpanel", "aria-labelledby": "show-" + name, hidden: true }));
    names.forEach(name => list.append(button(VIEWS[name][0], { role: "tab", id: "show-" + name, "aria-controls": "view-" + name, "aria-selected": "false" }, VIEWS[name][1])));
    const shown = new Set();
    const open = name => {
      const panel = panels[names.indexOf(name)];
      if (!shown.has(name)) panel.append(found[name]());
      shown.add(name);
    };
    const files = answer.error === null && answer.id ? make("span", { class: "buttons" },
      ...["CSV", "Parquet"].map(kind => button(kind, { class: "quiet", "aria-label": "Download as " + kind, onclick: event => save(kind.toLowerCase(), event.currentTarget) }, "download"))) : null;
    const bar = make("div", { class: "bar-line" }, list, files);
    queueMicrotask(() => {
      const first = names.includes(preferred) && answer.chart?.kind !== "number" ? preferred : names[0], kept = preferred;
      const choose = tabs(list, tab => {
        const name = tab.id.slice("show-".length);
        if (name !== "search") preferred = name;
        open(name);
      });
      choose(list.querySelector("#show-" + first));
      preferred = kept;
    });
    return [bar, ...panels];
  }

  const article = make("article", { class: "answer" }, head, asked.sql ? sql : null, result,
    matched(asked.matches || []), leftOut(asked.dropped || []), otherQueries({ ...asked, candidates: asked.candidates || [] }, tryOut), judging);
  fill();
  place.replaceChildren(article);
  return { editor };
}

// Right or wrong, and what would have been right: kept by the service as a pair to learn from.
function judgement(asked, editor, edited) {
  const told = make("p", { class: "told" });
  const send = async (good, sql, thanks) => {
    try {
      await api.judge({ id: asked.id, good, ...(sql ? { sql } : {}) });
      row.replaceChildren(told);
      told.replaceChildren(icon("yes"), thanks);
      form.hidden = true;
      say(thanks);
    } catch (problem) {
      told.textContent = problem.message;
      row.append(told);
    }
  };
  const area = make("textarea", { id: "correction", spellcheck: "false", autocomplete: "off" });
  const form = make("form", { class: "correction", hidden: true, onsubmit: event => {
    event.preventDefault();
    const sql = area.value.trim();
    const changed = sql && sql.replace(/\s+/g, " ") !== (asked.sql || "").replace(/\s+/g, " ");
    send(false, changed ? sql : null, changed ? "Thank you; your SQL is kept as the right answer." : "Thank you; kept as wrong.");
  } }, make("label", { for: "correction" }, "What would have been right? Correct the SQL, or leave it as it is."), area,
    make("button", { class: "primary", type: "submit" }, "Send"), button("Cancel", { class: "quiet", onclick: () => { form.hidden = true; wrong.focus(); } }));
  const wrong = button("Wrong", { class: "choice", onclick: () => {
    area.value = editor.text;
    area.rows = editor.text.split("\n").length + 1;
    form.hidden = false;
    area.focus();
  } }, "close");
  const right = edited
    ? button("My SQL is the right answer", { class: "choice", onclick: () => send(false, editor.text, "Thank you; your SQL is kept as the right answer.") }, "yes")
    : button("Right", { class: "choice", onclick: () => send(true, null, "Thank you; kept as right.") }, "yes");
  const row = make("div", { class: "judge", role: "group", "aria-label": "Is this answer right?" }, make("span", {}, "Is this right?"), right, wrong);
  return [row, form];
}
