// The page of the service: one question at a time, its answer, and beside it tables and history.
// What is shown of an answer is in answer.js; this file asks, waits, stops, and keeps the places.

import { failure, showAnswer } from "./answer.js";
import * as api from "./api.js";
import { button, count, find, icon, make, say, tabs } from "./elements.js";
import { makeHistory } from "./history.js";
import { showSchema } from "./schema.js";
import { coloured, laidOut, put } from "./sql.js";

const NAMES = { sqlite: "SQLite", postgres: "PostgreSQL", postgresql: "PostgreSQL", mysql: "MySQL", mariadb: "MariaDB", duckdb: "DuckDB" };
const [question, place, progress, effort] = ["question", "answer", "progress", "effort"].map(find);
let database = null, view = null, running = null, last = question;
const quiet = matchMedia("(prefers-reduced-motion: reduce)");
const narrow = matchMedia("(max-width: 56rem)");

// ------------------------------------------------------------------------------- asking and waiting

// Shows that something runs; `stop` ends it at the service, too.
function waiting(id, text, stop, delay = 0) {
  const line = make("p", { class: "doing" }, make("span", { class: "dots", "aria-hidden": "true" }), make("span", { class: "what" }, text));
  const clock = make("span", { class: "clock", "aria-hidden": "true" });
  const bar = make("progress", { "aria-label": "Simulations", hidden: true }), best = make("pre", { class: "best", hidden: true });
  const end = button("Stop", { class: "stop", "aria-keyshortcuts": "Escape", onclick: stopping }, "stop");
  const started = performance.now();
  const timer = setInterval(() => { clock.textContent = ((performance.now() - started) / 1000).toFixed(0) + " s"; }, 500);
  let heard = 0;
  function stopping() {
    end.disabled = true;
    end.lastChild.textContent = "Stopping…";
    stop();
  }
  progress.replaceChildren(make("div", { class: "bar-line" }, line, clock, end), bar, best);
  const appears = setTimeout(() => { progress.hidden = false; }, delay);
  place.setAttribute("aria-busy", "true");
  find("ask-button").disabled = true;
  say(text);
  running = {
    id,
    stop: stopping,
    tell(words) { line.lastChild.textContent = words; say(words); },
    progress({ simulations, of, sql }) {
      bar.hidden = false;
      bar.max = of;
      bar.value = simulations;
      line.lastChild.textContent = simulations + " of " + count(of, "simulation");
      best.hidden = !sql;
      if (sql) best.replaceChildren(make("span", { class: "hint" }, "Best so far\n"), ...coloured(laidOut(sql)));
      if (performance.now() - heard > 3000) { heard = performance.now(); say(line.lastChild.textContent); }
    },
    done() {
      clearInterval(timer);
      clearTimeout(appears);
      progress.hidden = true;
      progress.replaceChildren();
      place.removeAttribute("aria-busy");
      find("ask-button").disabled = false;
      running = null;
    },
  };
  return running;
}

// For edited SQL: the same panel, if it takes long, and a signal that gives the request up when the
// service has ended it. Null while something else runs.
function busy(id, text) {
  if (running) return null;
  const control = new AbortController();
  const shown = waiting(id, text, () => api.stop(id).catch(() => {}).finally(() => control.abort()), 400);
  return { signal: control.signal, stop: shown.stop, done: shown.done };
}

async function ask(text) {
  if (running) return;
  const id = api.newId();
  const shown = waiting(id, "Thinking", () => api.stop(id).catch(problem => say(problem.message)));
  place.replaceChildren();
  begun();
  scrollTo({ top: 0, behavior: quiet.matches ? "auto" : "smooth" });
  let end = () => refused(new api.Failure("The service ended the connection before it answered; try again."), text);
  const ends = {
    answer: data => answered(data),
    error: data => refused(new api.Failure(data.error), text),
    stopped: () => stopped(text),
  };
  try {
    for await (const [name, data] of api.ask(text, Number(effort.value) || 0, id)) {
      if (name === "queued" && data.position > 0) shown.tell("Waiting for " + count(data.position, "question") + " before yours");
      else if (name === "started") shown.tell(Number(effort.value) ? "Searching" : "Thinking");
      else if (name === "progress") shown.progress(data);
      else if (name in ends) {
        end = () => ends[name](data);
        break;
      }
    }
  } catch (problem) {
    end = () => refused(problem, text);
  }
  shown.done(); // before the answer is seen: the next question may follow at once
  end();
  history.refresh();
}

function answered(answer) {
  view = showAnswer(place, answer, { busy });
  nameAnswer();
  document.title = (answer.question || "SQL") + " – txt2sql";
  say(answer.error || (answer.explanation || "Answered") + " " + count(answer.rows.length, "row"));
}

function stopped(text) {
  const again = text && button("Ask again", { class: "quiet", onclick: () => ask(text) }, "again");
  place.replaceChildren(make("div", { class: "stopped" }, make("p", {}, "Stopped; nothing of it runs any more."), again || null));
  say("Stopped");
}

function refused(problem, text) {
  if (problem.status === 401) return wantToken();
  const again = text ? button("Try again", { class: "quiet", onclick: () => ask(text) }, "again") : "";
  const wait = problem.retry ? make("span", { class: "hint" }, " There is room in about " + count(problem.retry, "second") + ".") : null;
  place.replaceChildren(failure(problem.message, make("p", {}, again, wait)));
}

function begun() {
  find("welcome").classList.add("hidden-text");
  find("examples").hidden = true;
}

// ------------------------------------------------------------------------------ the places around it

// SQL wants some names in quotes; a question has them as they are.
function quoted(name) {
  if (/^[a-z_][a-z0-9_]*$/i.test(name)) return name;
  const mark = ["mysql", "mariadb"].includes(database.dialect) ? "`" : '"';
  return mark + name.replaceAll(mark, mark + mark) + mark;
}

function insert(table, column) {
  const editor = view && view.editor.area.isConnected && last === view.editor.area ? view.editor : null;
  if (narrow.matches) openSide(false);
  if (editor) editor.insert(column === undefined ? quoted(table) : quoted(table) + "." + quoted(column));
  else put(question, column === undefined ? table : column);
}

function openSide(open) {
  document.body.classList.toggle("side-open", open);
  find("side-button").setAttribute("aria-expanded", open);
  find("shade").hidden = !(open && narrow.matches);
  find("main").inert = open && narrow.matches;
  find("side").inert = !open && narrow.matches;
  if (open) document.querySelector("#side [role=tab][aria-selected=true]").focus();
  else if (narrow.matches) find("side-button").focus();
}

const history = makeHistory(find("history"), {
  again(text) {
    if (narrow.matches) openSide(false);
    question.value = text;
    grow();
    ask(text);
  },
  async open(past) {
    if (running) return;
    if (narrow.matches) openSide(false);
    begun();
    const control = new AbortController();
    const shown = waiting(past.id, "Fetching the rows again", () => control.abort(), 400);
    try {
      question.value = past.question || "";
      grow();
      answered(await api.stored(past.id, control.signal));
    } catch (problem) {
      if (problem.name === "AbortError") stopped(past.question);
      else refused(problem, past.question || "");
    } finally {
      shown.done();
    }
  },
});

function dark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function switchTheme() {
  const chosen = dark() ? "light" : "dark";
  document.documentElement.dataset.theme = chosen;
  find("theme").setAttribute("aria-pressed", dark());
  try {
    localStorage.setItem("txt2sql-theme", chosen);
  } catch {
    // A browser that keeps nothing forgets the choice with the page.
  }
}

function grow() {
  question.style.height = "auto";
  question.style.height = question.scrollHeight + "px";
}

// The answer bears its question where the box above does not say it.
function nameAnswer() {
  const name = place.querySelector(".asked");
  if (name) name.classList.toggle("hidden-text", name.textContent === question.value.trim());
}

function wantToken() {
  place.replaceChildren();
  find("token-wrong").hidden = !asked.has("token");
  if (!find("token-dialog").open) find("token-dialog").showModal();
}

function fillEfforts({ available, default: usual, max }) {
  if (!available || !max) return;
  find("effort-label").hidden = false;
  const steps = [...new Set([20, usual, 100, 300].filter(each => each > 0 && each <= max))].sort((a, b) => a - b);
  if (!steps.length) steps.push(max);
  effort.append(...steps.map(each => make("option", { value: each }, "Search, " + each + " simulations")));
}

// What is known once the model is loaded; until then the service can be asked already, and answers later.
async function aboutModel() {
  find("model").textContent = database.model || "loading the model…";
  find("notice").textContent = database.notice || "";
  find("notice").hidden = !database.notice;
  if (database.model) return fillEfforts(database.search);
  await new Promise(later => setTimeout(later, 1500));
  const now = await api.database().catch(() => database);
  Object.assign(database, { model: now.model, notice: now.notice, search: now.search });
  return aboutModel();
}

async function open() {
  try {
    database = await api.database();
  } catch (problem) {
    if (problem.status === 401) return wantToken();
    place.replaceChildren(failure(problem.message, button("Try again", { class: "quiet", onclick: () => location.reload() }, "again")));
    return;
  }
  find("database").textContent = database.name;
  find("dialect").textContent = NAMES[database.dialect] || database.dialect;
  find("dialect").hidden = false;
  find("model").title = "The model that answers";
  aboutModel();
  find("examples").append(...database.examples.map(each => button(each, { class: "example", onclick: () => { question.value = each; grow(); ask(each); } })));
  showSchema(find("schema"), find("filter"), database.schema, insert);
  history.refresh();
}

// ------------------------------------------------------------------------------------------- wiring

find("ask").addEventListener("submit", event => {
  event.preventDefault();
  const text = question.value.trim();
  if (text) ask(text);
});
question.addEventListener("input", () => {
  grow();
  nameAnswer();
});
question.addEventListener("keydown", event => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  find("ask").requestSubmit();
});
document.addEventListener("focusin", event => { if (event.target.matches("#question, #sql")) last = event.target; });
document.addEventListener("keydown", event => {
  if (event.key === "Escape" && running) running.stop();
  else if (event.key === "Escape" && document.body.classList.contains("side-open")) openSide(false);
  else if (event.key === "/" && !event.target.matches("input, textarea, select") && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    question.focus();
  }
});
find("side-button").addEventListener("click", () => openSide(!document.body.classList.contains("side-open")));
find("side-close").addEventListener("click", () => openSide(false));
find("shade").addEventListener("click", () => openSide(false));
find("theme").addEventListener("click", switchTheme);
find("theme").setAttribute("aria-pressed", dark());
find("token-form").addEventListener("submit", event => {
  event.preventDefault();
  location.replace("./?token=" + encodeURIComponent(find("token").value));
});
tabs(document.querySelector("#side [role=tablist]"), tab => { if (tab.id === "tab-history") history.refresh(); });
narrow.addEventListener("change", () => { document.body.classList.remove("side-open"); for (const each of ["main", "side"]) find(each).inert = false; find("shade").hidden = true; find("side").inert = narrow.matches; });
find("side").inert = narrow.matches;

const asked = new URLSearchParams(location.search);
if (asked.has("token")) window.history.replaceState(null, "", location.pathname);
question.value = (asked.get("q") || "").slice(0, 2000);
grow();
open();
if (!narrow.matches) question.focus();
