// What was asked before: opened again with its rows, asked again, or forgotten altogether.
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
  function entry(each) {
    const facts = [each.error ? "failed" : count(each.rows ?? 0, "row"), when(each.asked_at), judged(each.feedback)].filter(Boolean).join(" · ");
    const name = each.question || each.sql || "";
    return make("li", {},
      make("button", { type: "button", class: "past", onclick: () => open(each) },
        make("span", { class: each.question ? "past-question" : "past-question past-sql" }, name), make("span", { class: "type" + (each.error ? " failed" : "") }, facts)),
      each.question && make("button", { type: "button", class: "icon-button", "aria-label": "Ask again: " + name, title: "Ask again", onclick: () => again(each.question) }, icon("again")));
  }

  // Two presses: the first asks whether one is sure.
  function clearing() {
    const clear = button("Clear history", { class: "quiet", onclick: () => { sure.hidden = false; clear.hidden = true; yes.focus(); } }, "trash");
    const yes = button("Clear", { class: "danger", onclick: forget });
    const no = button("Keep", { class: "quiet", onclick: () => { sure.hidden = true; clear.hidden = false; clear.focus(); } });
    const sure = make("span", { class: "sure", hidden: true }, "Forget all of it? ", yes, no);
    return make("div", { class: "clear" }, clear, sure);
  }

  async function forget() {
    try {
      await api.forget();
      say("History cleared");
    } catch (problem) {
      place.replaceChildren(make("p", { class: "empty" }, problem.message));
      return;
    }
    await refresh();
  }

  async function refresh() {
    let found;
    try {
      found = await api.history();
    } catch (problem) {
      place.replaceChildren(make("p", { class: "empty" }, problem.message));
      return;
    }
    if (!found.length) place.replaceChildren(make("p", { class: "empty" }, "Questions you ask are kept here, on this machine."));
    else place.replaceChildren(make("ol", { class: "pasts" }, ...found.map(entry)), clearing());
  }

  return { refresh };
}
