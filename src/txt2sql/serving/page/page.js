// The page of the service: one question at a time, its answer, and beside it tables and history.
// What is shown of an answer is in answer.js; this file asks, waits, stops, and keeps the places.

import { failure, showAnswer } from "./answer.js";
import * as api from "./api.js";
import { quoted, useSchema } from "./complete.js";
import { button, count, find, icon, make, say, tabs } from "./elements.js";
import { makeHistory } from "./history.js";
import { showSchema } from "./schema.js";
import { coloured, laidOut, makeEditor, put } from "./sql.js";

const NAMES = { sqlite: "SQLite", postgres: "PostgreSQL", postgresql: "PostgreSQL", mysql: "MySQL", mariadb: "MariaDB", duckdb: "DuckDB" };
const [question, place, progress, effort, databases] = ["question", "answer", "progress", "effort", "databases"].map(find);
let database = null, view = null, running = null, last = question;
let turn = 0; // what began last; whatever ends later shows nothing any more
let thread = null; // the id of the last answer: the service tells by its words whether a question follows it
const written = new Map(); // SQL without a question, by database
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
  let heard = 0, ending = false;
  function stopping() {
    ending = true;
    end.disabled = true;
    end.lastChild.textContent = "Stopping…";
    stop();
  }
  progress.replaceChildren(make("div", { class: "bar-line" }, line, clock, end), bar, best);
  const appears = setTimeout(() => { progress.hidden = false; }, delay);
  place.setAttribute("aria-busy", "true");
  for (const each of ["ask-button", "run-button"]) find(each).disabled = true;
  say(text);
  const mine = {
    id,
    stop: stopping,
    stopping: () => ending,
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
      if (running !== mine) return;
      progress.hidden = true;
      progress.replaceChildren();
      place.removeAttribute("aria-busy");
      for (const each of ["ask-button", "run-button"]) find(each).disabled = false;
      running = null;
    },
  };
  running = mine;
  return mine;
}

// For edited SQL: the same panel, if it takes long, and a signal that gives the request up when the
// service has ended it. Null while something else runs.
function busy(id, text) {
  if (running) return null;
  const control = new AbortController();
  const shown = waiting(id, text, () => api.stop(id).catch(() => {}).finally(() => control.abort()), 400);
  return { signal: control.signal, stop: shown.stop, stopping: shown.stopping, done: shown.done };
}

async function ask(text, previous = thread) {
  if (running) return;
  const id = api.newId(), mine = ++turn;
  const shown = waiting(id, "Thinking", () => api.stop(id).catch(problem => say(problem.message)));
  begun();
  scrollTo({ top: 0, behavior: quiet.matches ? "auto" : "smooth" });
  const again = () => ask(text, previous);
  let end = () => refused(new api.Failure("The service ended the connection before it answered; try again."), again);
  const ends = {
    answer: data => (shown.stopping() ? stopped(again) : answeredText(data)),
    error: data => refused(new api.Failure(data.error), again),
    stopped: () => stopped(again),
  };
  try {
    for await (const [name, data] of api.ask(text, Number(effort.value) || 0, id, previous)) {
      if (mine !== turn) break;
      if (name === "queued" && data.position > 0) shown.tell("Waiting for " + count(data.position, "question") + " before yours");
      else if (name === "started") shown.tell(Number(effort.value) ? "Searching" : "Thinking");
      else if (name === "progress") shown.progress(data);
      else if (name in ends) {
        end = () => ends[name](data);
        break;
      }
    }
  } catch (problem) { // 422: the history may have been cleared meanwhile
    end = () => (previous && problem.status === 422 ? ask(text, null) : refused(problem, again));
  }
  shown.done(); // before the answer is seen: the next question may follow at once
  if (mine === turn) end();
}

// SQL in the box for questions was run; it goes on in the other one.
function answeredText(answer) {
  if (!answer.question) {
    own.text = laidOut(answer.sql);
    question.value = "";
    grow();
    choose(find("tab-sql"));
  }
  answered(answer);
}

// SQL that a person wrote without a question.
async function runOwn() {
  const text = own.text.trim(), id = api.newId();
  const shown = text && busy(id, "Running the SQL");
  if (!shown) return;
  begun();
  await show(shown, () => api.run(text, id, shown.signal), runOwn);
}

// Shows what a request gives, unless something else began meanwhile or it was stopped.
async function show(shown, request, again, pushed = true) {
  const mine = ++turn;
  let end;
  try {
    const answer = await request();
    end = () => (shown.stopping() ? stopped(again) : answered(answer, pushed));
  } catch (problem) {
    end = () => (problem.name === "AbortError" ? stopped(again) : refused(problem, again));
  }
  shown.done();
  if (mine === turn) end();
}

function answered(answer, pushed = true) {
  view = showAnswer(place, answer, { busy, arrived, ask: askNext, address, own: answer.question ? null : { ...own, run: runOwn, get text() { return own.text; }, set text(sql) { own.text = sql; } } });
  nameAnswer();
  remember(answer);
  if (pushed) arrived(answer);
  document.title = (answer.question || "SQL") + " – txt2sql";
  say(answer.error || (answer.explanation || "Answered") + " " + count(answer.rows.length, "row"));
}

function askNext(text) {
  question.value = text;
  choose(find("tab-question"));
  grow();
  ask(text);
}

// Every answer has an address, which shows it again: for Back, for a bookmark, for somebody else. Where
// there are several databases, it says which.
function hash(id, name = api.chosen()) {
  const parts = [name && "database=" + encodeURIComponent(name), id && "answer=" + id].filter(Boolean);
  return parts.length ? "#" + parts.join("&") : "";
}
const address = id => location.origin + location.pathname + hash(id);

function addressed() {
  return databases.hidden ? "" : new URLSearchParams(location.hash.slice(1)).get("database") || databases.options[0].value;
}

function remember(answer) {
  if (answer.id && answer.sql && answer.error === null) thread = answer.id;
  find("afresh").hidden = !thread;
}

function arrived(answer) {
  remember(answer);
  history.refresh();
  if (answer.id && location.hash !== hash(answer.id)) window.history.pushState(null, "", hash(answer.id));
}

function openAddress() {
  const parts = new URLSearchParams(location.hash.slice(1)), id = parts.get("answer");
  if (location.hash && !id && !parts.has("database")) return; // a place on the page
  if (running) {
    running.stop();
    running.done();
  }
  const name = addressed();
  if (name !== api.chosen()) useDatabase(name);
  if (id) return openStored(id, false);
  turn += 1;
  view = thread = null;
  find("afresh").hidden = true;
  place.replaceChildren();
  find("welcome").classList.remove("hidden-text");
  find("examples").hidden = false;
  document.title = "txt2sql";
}

async function openStored(id, pushed = true) {
  if (running) return;
  if (narrow.matches && document.body.classList.contains("side-open")) openSide(false);
  const control = new AbortController();
  const shown = waiting(id, "Fetching the rows again", () => control.abort(), 400);
  begun();
  await show(shown, async () => {
    const answer = await api.stored(id, control.signal);
    if (answer.question) question.value = answer.question;
    else own.text = laidOut(answer.sql || "");
    choose(find(answer.question ? "tab-question" : "tab-sql"));
    grow();
    return answer;
  }, () => openStored(id, pushed), pushed);
}

function stopped(again) {
  const anew = again && button("Try again", { class: "quiet", onclick: again }, "again");
  place.replaceChildren(make("div", { class: "stopped" }, make("p", {}, "Stopped; nothing of it runs any more."), anew || ""));
  say("Stopped");
}

function refused(problem, again) {
  if (problem.status === 401) return wantToken();
  const anew = again ? button("Try again", { class: "quiet", onclick: again }, "again") : "";
  const wait = problem.retry ? make("span", { class: "hint" }, " There is room in about " + count(problem.retry, "second") + ".") : null;
  place.replaceChildren(failure(problem.message, make("p", {}, anew, wait)));
}

// Something begins: what was shown before is gone.
function begun() {
  view = null;
  place.replaceChildren();
  find("welcome").classList.add("hidden-text");
  find("examples").hidden = true;
}

// ------------------------------------------------------------------------------ the places around it

function insert(table, column) {
  const editor = [own, view?.editor].find(each => each && last === each.area && each.area.isConnected);
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
    askNext(text);
  },
  open: past => openStored(past.id),
});

const own = makeEditor("own-sql", () => runOwn(), text => view?.edited(text));

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
  const before = effort.value;
  effort.length = 1;
  find("effort-label").hidden = !available || !max;
  if (!available || !max) return;
  const steps = [...new Set([20, usual, 100, 300].filter(each => each > 0 && each <= max))].sort((a, b) => a - b);
  if (!steps.length) steps.push(max);
  effort.append(...steps.map(each => make("option", { value: each }, "Search, " + each + " simulations")));
  if (steps.includes(Number(before))) effort.value = before;
}

// What is known once the model is loaded, the rows are counted and the examples tried; until then the
// service can be asked already.
async function aboutModel() {
  const mine = database;
  find("model").textContent = database.model || "loading the model…";
  find("notice").textContent = database.notice || "";
  find("notice").hidden = !database.notice;
  if (database.model && !database.efforts) fillEfforts(database.search);
  database.efforts = Boolean(database.model);
  const shown = find("examples").children.length;
  if (shown > database.examples.length) find("examples").replaceChildren();
  find("examples").append(...database.examples.slice(find("examples").children.length).map(each => button(each, { class: "example", onclick: () => askNext(each) })));
  browser.counts(database.schema);
  if (database.model && database.complete) return;
  await new Promise(later => setTimeout(later, 1500));
  const now = mine === database && await api.database().catch(() => ({}));
  if (mine !== database) return; // of another one by now
  Object.assign(database, now);
  return aboutModel();
}

async function refresh() {
  const name = api.chosen();
  find("refresh").disabled = true;
  try {
    const now = await api.refresh();
    if (name !== api.chosen()) return;
    database = now;
    browser.show(database.schema);
    useSchema(database);
    say(now.changed ? "The tables have changed; the model reads them now" : "The tables are as they were");
    aboutModel();
  } catch (problem) {
    say(problem.message);
  } finally {
    find("refresh").disabled = false;
  }
}

// Another database: of the one before only the question stays, and its SQL for when one comes back.
function useDatabase(name) {
  if (api.chosen()) {
    written.set(api.chosen(), own.text);
    own.text = written.get(name) || "";
  }
  api.use(name);
  databases.value = name;
  database = thread = null;
  find("afresh").hidden = true;
  find("examples").replaceChildren();
  browser.show({ tables: [], foreign_keys: [] });
  history.of(name);
  say("Asking " + name);
  return load();
}

function unopened(problem) {
  if (problem.status === 401) return wantToken();
  place.replaceChildren(failure(problem.message, button("Try again", { class: "quiet", onclick: () => location.reload() }, "again")));
}

async function open() {
  try {
    databases.append(...(await api.databases()).map(each => make("option", { value: each.name }, each.name)));
  } catch (problem) {
    return unopened(problem);
  }
  databases.hidden = databases.length === 1;
  find("database").hidden = !databases.hidden;
  await (databases.hidden ? load() : useDatabase(addressed()));
  if (database && location.hash.includes("answer=")) openAddress();
}

async function load() {
  const name = api.chosen();
  try {
    const now = await api.database();
    if (name !== api.chosen()) return;
    database = now;
  } catch (problem) {
    return name === api.chosen() ? unopened(problem) : null;
  }
  find("database").textContent = database.name;
  find("dialect").textContent = NAMES[database.dialect] || database.dialect;
  find("dialect").hidden = false;
  find("model").title = "The model that answers";
  browser.show(database.schema);
  useSchema(database);
  aboutModel();
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
document.addEventListener("focusin", event => { if (event.target.matches("#question, #sql, #own-sql")) last = event.target; });
document.addEventListener("keydown", event => {
  if (event.key === "Escape" && running) running.stop();
  else if (event.key === "Escape" && document.body.classList.contains("side-open")) openSide(false);
  else if (event.key === "/" && !event.target.matches("input, textarea, select") && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    choose(find("tab-question"));
    question.focus();
  }
});
window.addEventListener("popstate", openAddress);
find("by-sql").prepend(own.element);
find("run-button").addEventListener("click", runOwn);
find("refresh").addEventListener("click", refresh);
find("afresh").addEventListener("click", () => {
  window.history.pushState(null, "", location.pathname + hash(null));
  openAddress();
  question.value = "";
  grow();
  question.focus();
});
databases.addEventListener("change", () => {
  window.history.pushState(null, "", hash(null, databases.value));
  openAddress();
});
find("side-button").addEventListener("click", () => openSide(!document.body.classList.contains("side-open")));
find("side-close").addEventListener("click", () => openSide(false));
find("shade").addEventListener("click", () => openSide(false));
find("theme").addEventListener("click", switchTheme);
find("theme").setAttribute("aria-pressed", dark());
find("token-form").addEventListener("submit", event => {
  event.preventDefault();
  location.replace("./?token=" + encodeURIComponent(find("token").value) + location.hash);
});
tabs(document.querySelector("#side [role=tablist]"), tab => { if (tab.id === "tab-history") history.refresh(); });
narrow.addEventListener("change", () => { document.body.classList.remove("side-open"); for (const each of ["main", "side"]) find(each).inert = false; find("shade").hidden = true; find("side").inert = narrow.matches; });
find("side").inert = narrow.matches;

const choose = tabs(find("ways"), tab => {
  if (tab.id === "tab-question") grow();
  last = tab.id === "tab-sql" ? own.area : question;
});
const browser = showSchema(find("schema"), find("filter"), insert);
const asked = new URLSearchParams(location.search);
if (asked.has("token")) window.history.replaceState(null, "", location.pathname + location.hash);
question.value = (asked.get("q") || "").slice(0, 2000);
grow();
open();
if (!narrow.matches) question.focus();
