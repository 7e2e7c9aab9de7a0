// What was asked before: searched, named, opened again with its rows, asked again, or forgotten.
//
//     const history = makeHistory(place, { open, again }); history.refresh()

import * as api from "./api.js";
import { button, count, icon, make, say } from "./elements.js";

function when(value) {
  const time = new Date(typeof value === "number" ? value * 1000 : value);
  if (Number.isNaN(time.getTime())) return "";
  const today = time.toDateString() === new Date().toDateString();
  return time.toLocaleString(undefined, today ? { hour: "2-digit", minute: "2-digit" } : { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
}

function judged(feedback) {
  if (feedback === null || feedback === undefined) return "";
  const good = typeof feedback === "object" ? feedback.good : feedback;
  return good === true || good === "good" ? "right" : "wrong";
}

export function makeHistory(place, { open, again }) {
  const list = make("div"), search = make("input", { type: "search", id: "past-search", placeholder: "Search the history", autocomplete: "off", spellcheck: "false" });
  let later = 0, latest = 0;
  search.addEventListener("input", () => { clearTimeout(later); later = setTimeout(refresh, 200); });
  place.replaceChildren(make("label", { class: "filter" }, make("span", { class: "hidden-text" }, "Search the history"), search), list);
  const clear = clearing(); // made once: a new answer's refresh does not take back a press that asks whether one is sure
  place.append(clear);

  function entry(each) {
    const facts = [each.error ? "failed" : count(each.rows ?? 0, "row"), when(each.asked_at), judged(each.feedback)].filter(Boolean).join(" · ");
    const text = each.question || each.sql || "", name = each.name || text;
    const line = make("li", {},
      make("button", { type: "button", class: "past", title: each.name ? text : null, onclick: () => open(each) },
        make("span", { class: "past-question" + (each.question || each.name ? "" : " past-sql") }, name), make("span", { class: "type" + (each.error ? " failed" : "") }, facts)),
      make("button", { type: "button", class: "icon-button", "aria-label": "Name: " + name, title: "Name it", onclick: () => naming(line, each, name) }, icon("edit")),
      each.question && make("button", { type: "button", class: "icon-button", "aria-label": "Ask again: " + name, title: "Ask again", onclick: () => again(each.question) }, icon("again")));
    return line;
  }

  function naming(line, each, name) {
    const input = make("input", { type: "text", "aria-label": "Name of this answer", maxlength: "200", value: each.name || "", placeholder: name.slice(0, 60), onkeydown: event => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      const same = entry(each);
      line.replaceWith(same);
      same.querySelector("[title='Name it']").focus();
    } });
    line.replaceChildren(make("form", { class: "naming", onsubmit: async event => {
      event.preventDefault();
      try {
        await api.rename(each.id, input.value);
        say("Named");
      } catch (problem) {
        say(problem.message);
      }
      line.replaceChildren();
      await refresh();
      list.querySelector(".past")?.focus();
    } }, input, make("button", { type: "submit", class: "quiet" }, "Save")));
    input.focus();
  }

  // Two presses: the first asks whether one is sure.
  function clearing() {
    const first = button("Clear history", { class: "quiet", onclick: () => { asks(true); yes.focus(); } }, "trash");
    const yes = button("Clear", { class: "danger", onclick: () => { asks(false); forget(); } });
    const no = button("Keep", { class: "quiet", onclick: () => { asks(false); first.focus(); } });
    const sure = make("span", { class: "sure", hidden: true }, "Forget all of it? ", yes, no);
    const asks = on => { sure.hidden = !on; first.hidden = on; };
    return make("div", { class: "clear", hidden: true }, first, sure);
  }

  async function forget() {
    try {
      await api.forget();
      say("History cleared");
    } catch (problem) {
      list.replaceChildren(make("p", { class: "empty" }, problem.message));
      return;
    }
    await refresh();
  }

  async function refresh() {
    const wanted = search.value.trim(), mine = ++latest;
    let pasts;
    try {
      pasts = await api.history(wanted);
    } catch (problem) {
      list.replaceChildren(make("p", { class: "empty" }, problem.message));
      return;
    }
    if (mine !== latest) return; // a later search, or another database, has another answer
    if (list.querySelector(".naming")) return; // a name is being typed
    clear.hidden = !pasts.length;
    if (pasts.length) list.replaceChildren(make("ol", { class: "pasts" }, ...pasts.map(entry)));
    else list.replaceChildren(make("p", { class: "empty" }, wanted ? "Nothing in the history holds this." : "Questions you ask are kept here, on this machine."));
  }

  // What is shown from now on is another database's.
  function of(name) {
    latest += 1;
    search.placeholder = "History of " + name;
    list.replaceChildren();
  }

  return { refresh, of };
}
