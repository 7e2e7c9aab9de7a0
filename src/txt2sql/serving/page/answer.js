// One answer: what it says in a sentence, its rows, chart and search, below them its SQL to edit and run
// again, what the question's words were matched with, and whether a person found it right. What is shown
// always belongs to one statement: while another runs, or when it fails or is stopped, nothing is left.
//
//     const view = showAnswer(place, answer, { busy, arrived, ask, address }); view.editor.insert("shops.name")

import * as api from "./api.js";
import { canDraw, chart } from "./chart.js";
import { didYouMean, quoted } from "./complete.js";
import { button, copyText, count, download, icon, make, say, tabs } from "./elements.js";
import { rowTable } from "./rows.js";
import { laidOut, makeEditor } from "./sql.js";
import { drawTree } from "./tree.js";

const NAMED = 6; // tables and columns named of those left out
const VIEWS = { chart: ["Chart", "chart"], table: ["Table", "table"], search: ["Search", "tree"] };
let preferred = "chart"; // or "table", if that was chosen last

export function failure(message, ...more) {
  return make("div", { class: "failure", role: "alert" }, icon("alert"), make("div", {}, make("p", {}, message), ...more));
}

// `certainty` is what a fitted confidence comes to; where none was fitted, its size decides.
function certainty({ certainty: told, confidence }) {
  const level = told ? { sure: "high", unsure: "middle", unknown: "low" }[told] : confidence >= 0.8 ? "high" : confidence >= 0.5 ? "middle" : "low";
  const text = confidence < 0.005 ? "under 1%" : Math.round(confidence * 100) + "%";
  const fill = make("i");
  fill.style.width = confidence * 100 + "%";
  const words = { high: text + " sure", middle: (told ? "Unsure: " : "") + text, low: "Only " + text + " sure: read the SQL before you rely on it" }[level];
  return make("span", { class: "certainty " + level }, make("span", { class: "meter", "aria-hidden": "true" }, fill), words);
}

function facts(answer, address) {
  const parts = [];
  if (answer.confidence !== null && answer.confidence !== undefined) parts.push(certainty(answer));
  if (answer.error === null) parts.push(make("span", {}, count(answer.rows.length, "row") + (answer.truncated ? " and more" : "")));
  parts.push(make("span", {}, answer.seconds.toFixed(2) + " s"));
  if (answer.model) parts.push(make("span", {}, answer.model));
  const link = make("button", { type: "button", class: "link", onclick: () => copyText(address(answer.id), link) }, make("span", {}, "Copy link"));
  if (answer.id) parts.push(make("span", { class: "share" }, link));
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

// What else the question may mean: a press runs it, and keeps it as the right answer.
function otherReadings(answer, take) {
  const doubt = answer.certainty === "unsure" && answer.doubt ? make("p", { class: "hint doubt" }, answer.doubt[0].toUpperCase() + answer.doubt.slice(1) + ".") : null;
  if (!answer.readings?.length) return doubt;
  const others = make("div", { class: "examples readings", role: "group", "aria-label": "Other readings" }, make("span", { class: "hint" }, "It may also mean"),
    ...answer.readings.map(each => button(each.explanation || each.sql, { class: "example", onclick: () => take(each.sql) })));
  return make("div", {}, doubt, others);
}

function otherQueries(answer, tryOut) {
  const others = answer.tree || answer.readings?.length ? [] : answer.candidates.filter(sql => sql !== answer.sql);
  if (!others.length) return null;
  return make("details", { class: "more" }, make("summary", {}, "Other queries it thought of (" + others.length + ")"),
    make("ul", { class: "others" }, ...others.map(sql => make("li", {}, make("code", {}, sql), button("Try", { class: "quiet", onclick: () => tryOut(sql) }, "play")))));
}

// Names that exist, for one that does not: a press puts it into the SQL and runs that.
function correction(sentence, sql, correct) {
  const meant = didYouMean(sentence, sql);
  if (!meant) return null;
  const [wrong, near, owners] = meant, name = new RegExp("(?<![\\p{L}\\p{N}_])" + wrong.replaceAll("$", "\\$") + "(?![\\p{L}\\p{N}_])", "giu");
  return make("p", { class: "meant" },
    ...(near.length ? ["Did you mean:", ...near.map(each => button(each, { class: "choice", onclick: () => correct(sql.replace(name, () => quoted(each))) }))] : []),
    owners.length ? wrong + " is a column of " + owners.slice(0, 3).join(", ") + "." : "");
}

const plain = sql => (sql || "").replace(/\s+/g, " ").trim();

export function showAnswer(place, asked, { busy, arrived, ask, address, own = null }) {
  let answer = asked; // what is shown: the model's, that of edited SQL, or null while there is none
  let current = null; // what is running
  let shownSql = plain(asked.sql); // the statement that the result belongs to
  const written = laidOut(asked.sql || "");
  const name = asked.question ? make("h2", { class: "asked" }, asked.question) : null;
  const follows = asked.previous ? make("p", { class: "hint follows" }) : null;
  if (follows) api.kept(asked.previous).then(before => { follows.textContent = "follows: " + (before.question || before.explanation); }, () => {});
  const head = make("div", { class: "head" }), result = make("div", { class: "result" }), judging = make("div", { class: "judging" });
  const readings = otherReadings(asked, take);
  let guessed = !asked.unknown; // what is not known is shown on request only
  const extras = [matched(asked.matches || []), leftOut(asked.dropped || []), otherQueries({ ...asked, candidates: asked.candidates || [] }, tryOut)].filter(Boolean);
  const stale = make("p", { class: "hint stale-hint", hidden: true }, "This belongs to the SQL before your edits; Run shows what the new one gives.");
  const runs = button("Run", { class: "run", title: "Ctrl+Enter", onclick: () => (current ? current.stop() : run()) }, "play");
  const reset = button("Undo edits", { class: "quiet", hidden: true, onclick: () => { editor.text = written; editor.area.focus(); run(); } }, "undo");
  const copy = button("Copy", { class: "quiet", "aria-label": "Copy the SQL", onclick: () => copyText(editor.text, copy) }, "copy");
  const editor = own || makeEditor("sql", run, edited);
  if (!own) editor.text = written;
  const sql = own || !asked.sql ? null : make("section", { class: "sql", "aria-label": "SQL" },
    make("div", { class: "bar-line" }, make("h3", {}, "SQL"), make("span", { class: "key-hint" }, make("kbd", {}, "Ctrl"), " ", make("kbd", {}, "Enter"), " runs it"), make("span", { class: "buttons" }, reset, copy, runs)),
    editor.element);

  function edited(text) {
    reset.hidden = text === written;
    const changed = plain(text) !== shownSql;
    stale.hidden = !(changed && answer);
    head.classList.toggle("stale", changed);
    result.classList.toggle("stale", changed);
  }

  // Nothing of an earlier statement stands beside another one.
  function blank(...inside) {
    answer = null;
    shownSql = plain(editor.text);
    head.replaceChildren(...[follows, name].filter(Boolean));
    result.replaceChildren(...inside);
    judging.replaceChildren();
    for (const each of extras) each.hidden = true;
    edited(editor.text);
  }

  async function run() {
    const text = editor.text.trim(), id = api.newId();
    const mine = text && busy(id, "Running the SQL");
    if (!mine) return;
    current = mine;
    runs.replaceChildren(icon("stop"), make("span", {}, "Stop"));
    blank();
    try {
      const ran = await api.run(text, id, mine.signal);
      if (!article.isConnected) return; // something else is shown by now
      if (mine.stopping()) return ended();
      answer = plain(text) === plain(written) && asked.error === null ? { ...ran, confidence: asked.confidence, certainty: asked.certainty, question: asked.question } : ran;
      fill();
      arrived(answer);
      say(answer.error || count(answer.rows.length, "row"));
    } catch (problem) {
      if (!article.isConnected) return;
      if (problem.name === "AbortError") ended();
      else blank(failure(problem.message));
    } finally {
      current = null;
      runs.replaceChildren(icon("play"), make("span", {}, "Run"));
      mine.done();
    }
  }

  function ended() {
    blank(make("div", { class: "stopped" }, make("p", {}, "Stopped; nothing of it runs any more.")));
    say("Stopped");
  }

  function tryOut(other) {
    editor.text = laidOut(other);
    editor.area.focus();
    if (own) own.run();
    else run();
  }

  function take(other) {
    api.judge({ id: asked.id, good: false, sql: other }).catch(() => {});
    guessed = true;
    if (sql) sql.hidden = false;
    tryOut(other);
  }

  // In place of rows that are not to be relied on.
  function unknown() {
    const guess = button("Show the guess", { class: "quiet", onclick: () => { guessed = true; sql.hidden = false; fill(); result.querySelector("[role=tab]")?.focus(); } }, "play");
    head.replaceChildren(...[follows, name].filter(Boolean), make("p", { class: "unknown" }, asked.unknown + "."), facts({ ...answer, confidence: null, rows: [], truncated: false, error: "" }, address));
    result.replaceChildren(...(asked.sql ? [guess] : []));
    if (sql) sql.hidden = true;
    for (const each of extras) each.hidden = false;
    judging.replaceChildren();
  }

  function fill() {
    if (!guessed) return unknown();
    shownSql = plain(answer.sql);
    const changed = !own && shownSql !== plain(written);
    head.replaceChildren(...[
      follows,
      name,
      answer.explanation ? make("p", { class: "explanation" }, answer.explanation) : null,
      facts(answer, address)].filter(Boolean));
    const failed = answer.error !== null && answer.error !== undefined;
    result.replaceChildren(...(failed ? [failure(answer.error, correction(answer.error, editor.text, tryOut) || "", hint() || "")] : []), ...views(changed));
    for (const each of extras) each.hidden = changed;
    judging.replaceChildren(...(asked.question && asked.sql && !(changed && failed) ? judgement(asked, editor, changed) : []), ...next());
    edited(editor.text);
  }

  function next() {
    if (!answer.next?.length) return [];
    return [make("div", { class: "examples", role: "group", "aria-label": "Next questions" }, make("span", { class: "hint" }, "Ask next"),
      ...answer.next.map(each => button(each, { class: "example", onclick: () => ask(each) })))];
  }

  function hint() {
    return asked.sql ? make("p", { class: "hint" }, own ? "Edit the SQL above and run it again." : "Edit the SQL below and run it again, or ask in other words.") : null;
  }

  async function save(kind, pressed) {
    pressed.disabled = true;
    try {
      download(...await api.rows(answer.id, kind));
    } catch (problem) {
      for (const old of result.querySelectorAll(".failure")) old.remove();
      result.prepend(failure(problem.message));
    } finally {
      pressed.disabled = false;
    }
  }

  function views(changed) {
    const found = {};
    if (answer.error === null) {
      if (canDraw(answer)) found.chart = () => chart(answer);
      found.table = () => rowTable(answer);
    }
    if (asked.tree && !changed) found.search = () => { const box = make("div"); drawTree(box, asked.tree, "h3"); return box; };
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
      const usual = answer.chart ? preferred : "table", first = names.includes(usual) && answer.chart?.kind !== "number" ? usual : names[0], before = preferred;
      const choose = tabs(list, tab => {
        const name = tab.id.slice("show-".length);
        if (name !== "search") preferred = name;
        open(name);
      });
      choose(list.querySelector("#show-" + first));
      preferred = before;
    });
    return [bar, ...panels];
  }

  const article = make("article", { class: "answer" }, head, stale, result, ...[readings, sql].filter(Boolean), ...extras, judging);
  fill();
  place.replaceChildren(article);
  return { editor: sql ? editor : null, edited: own ? edited : () => {} };
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
