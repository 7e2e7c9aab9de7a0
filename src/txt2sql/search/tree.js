// A searched tree (the JSON of search/tree.py), drawn for people: why the answer won, a map of
// where the visits went, every step with its numbers, and the candidates of the vote.
//
// One source for two pages: search/tree.py writes it into a file of its own, the service sends it to
// its page. What a model or a database wrote is text, never markup.
//
//     drawTree(document.querySelector("#tree"), tree)

function make(name, kind, ...inside) {
  const element = document.createElement(name);
  if (kind) element.className = kind;
  element.append(...inside);
  return element;
}

const two = value => (value === null || value === undefined ? "–" : value.toFixed(2).replace("-", "−"));
const share = value => (value > 0.99 && value < 1 ? "over 99%" : value > 0 && value < 0.01 ? "under 1%" : Math.round(100 * value) + "%");
const count = (number, one, many = one + "s") => number.toLocaleString("en") + " " + (number === 1 ? one : many);
const numbers = edge => "N " + edge.visits + "  Q " + two(edge.q) + "  P " + two(edge.prior);

// A step's tokens are parted by spaces; people write count(*), not count ( * ).
const readable = step => step.replace(/\( /g, "(").replace(/ ([),])/g, "$1").replace(/\b(count|sum|avg|min|max) \(/g, "$1(");

// Why the first candidate won, in sentences that follow from the vote alone.
export function reasons(data) {
  const ends = data.nodes.filter(node => node.kind === "answer" && node.result);
  const failed = ends.filter(node => node.result.error).length;
  const refused = data.nodes.reduce((sum, node) => sum + node.refused.length, 0);
  const found = ["The search walked the model's steps " + count(data.simulations, "time") + " and ran "
    + count(ends.length, "whole query", "whole queries") + (failed ? ", of which " + failed + " failed" : "") + "."];
  if (refused) found.push(count(refused, "step was cut before it was tried.", "steps were cut before they were tried."));
  const votes = data.candidates.filter(candidate => candidate.score >= 0);
  if (!data.sql || !votes.length) return [...found, "No query gave an answer, so none was chosen."];
  const all = votes.reduce((sum, candidate) => sum + candidate.score, 0) || 1;
  const [best, next] = votes;
  found.push((best.answers === 1 ? "The chosen query has" : "The chosen query and " + count(best.answers - 1, "other")
    + " that " + (best.answers === 2 ? "gives" : "give") + " the same rows have") + " " + share(best.score / all) + " of the vote"
    + (next ? "; the next best result has " + share(next.score / all) : "; no other result was found") + ".");
  found.push(best.own ? "It is also what the model answers without a search."
    : "Without a search the model would have answered differently.");
  return found;
}

function verdict(node) {
  if (node.kind !== "answer") return [];
  if (!node.result) return [make("span", "tag", "not run")];
  if (node.result.error) return [make("span", "tag bad", "fails")];
  const rows = count(node.result.rows, "row");
  return [node.wins ? make("span", "tag good", "chosen result, " + rows) : make("span", "tag", rows)];
}

function detailsOf(node, edge) {
  const list = make("dl", "numbers");
  const line = (term, text, kind) => list.append(make("dt", "", term), make("dd", kind || "", text));
  if (edge) {
    line("Visits (N)", String(edge.visits));
    line("Mean value below (Q)", two(edge.q));
    line("Model's share among siblings (P)", two(edge.prior));
  }
  line("Value of the step", two(node.value));
  line("Probability of the text so far", two(node.probability));
  if (node.score !== null) line("Preference model", two(node.score));
  if (node.judged != null) line("Log-probability of the question", two(node.judged));
  if (node.result && node.result.error) line("Error", node.result.error, "bad");
  return [make("code", "", node.sql || readable(node.step) || "(question)"), list];
}

class Drawing {
  constructor(data) {
    this.data = data;
    this.path = new Set(data.path);
    this.drawn = new Set();
    this.items = new Map();
    this.list = make("ul", "steps");
    this.list.setAttribute("role", "tree");
    this.list.setAttribute("aria-label", "Steps that were searched");
    this.details = make("div", "step-details");
    this.details.setAttribute("aria-live", "polite");
    this.list.append(this.item(0, null, 1));
    this.list.firstChild.tabIndex = 0;
    this.list.addEventListener("keydown", event => this.key(event));
  }

  item(id, edge, level) {
    const node = this.data.nodes[id], again = this.drawn.has(id);
    this.drawn.add(id);
    const entry = make("li", this.path.has(id) && !again ? "chosen" : "");
    entry.setAttribute("role", "treeitem");
    entry.setAttribute("aria-level", level);
    entry.tabIndex = -1;
    const fold = make("span", "fold");
    fold.setAttribute("aria-hidden", "true");
    const row = make("div", "row", fold, make("code", "", edge ? readable(node.step) || "(end)" : "(question)"));
    if (this.path.has(id) && !again && edge) row.append(make("span", "hidden-text", ", on the chosen path"));
    if (again) row.append(make("span", "tag", "same as above"));
    if (node.own) row.append(make("span", "tag", "model's own answer"));
    row.append(...verdict(node));
    if (edge) row.append(make("span", "numbers", numbers(edge)), bar(edge.visits / (this.data.simulations || 1)));
    entry.append(row);
    row.addEventListener("click", () => { this.focus(entry); this.show(node, edge); });
    entry.show = () => this.show(node, edge);
    if (!again) {
      this.items.set(id, entry);
      this.children(entry, node, edge, fold, level);
    }
    return entry;
  }

  children(entry, node, edge, fold, level) {
    const edges = [...node.edges].sort((a, b) => b.visits - a.visits || b.prior - a.prior);
    if (!edges.length && !node.refused.length) return;
    const group = make("ul", "");
    group.setAttribute("role", "group");
    const walked = edges.filter(each => each.visits || this.path.has(each.to));
    const others = edges.filter(each => !walked.includes(each));
    for (const each of walked) group.append(this.item(each.to, each, level + 1));
    if (others.length) group.append(this.unvisited(others, level + 1));
    for (const refused of node.refused) group.append(cut(refused, level + 1));
    entry.append(group);
    entry.fold = open => {
      group.hidden = !open;
      fold.textContent = open ? "▾" : "▸";
      entry.setAttribute("aria-expanded", open);
    };
    entry.fold(!edge || this.path.has(node.id) || edge.visits >= this.data.simulations / 20);
    fold.addEventListener("click", event => { entry.fold(group.hidden); event.stopPropagation(); });
  }

  // Steps that the model proposed and the search never tried, behind one line.
  unvisited(edges, level) {
    const entry = make("li", ""), fold = make("span", "fold", "▸"), group = make("ul", "");
    fold.setAttribute("aria-hidden", "true");
    entry.setAttribute("role", "treeitem");
    entry.setAttribute("aria-level", level);
    entry.setAttribute("aria-expanded", "false");
    entry.tabIndex = -1;
    group.setAttribute("role", "group");
    group.hidden = true;
    const row = make("div", "row", fold, make("span", "tag", count(edges.length, "step") + " never tried"));
    entry.append(row, group);
    entry.fold = open => {
      if (open && !group.firstChild) for (const each of edges) group.append(this.item(each.to, each, level + 1));
      group.hidden = !open;
      fold.textContent = open ? "▾" : "▸";
      entry.setAttribute("aria-expanded", open);
    };
    entry.show = () => entry.fold(group.hidden);
    row.addEventListener("click", () => { this.focus(entry); entry.show(); });
    return entry;
  }

  show(node, edge) { this.details.replaceChildren(...detailsOf(node, edge)); }

  focus(entry) {
    if (!entry) return;
    for (const other of this.list.querySelectorAll("[tabindex='0']")) other.tabIndex = -1;
    entry.tabIndex = 0;
    entry.focus({ preventScroll: true });
    entry.firstChild.scrollIntoView({ block: "nearest" });
  }

  // To a step that may be folded away.
  reveal(id) {
    const entry = this.items.get(id);
    if (!entry) return;
    for (let above = entry.parentElement.closest("[role=treeitem]"); above; above = above.parentElement.closest("[role=treeitem]")) above.fold(true);
    this.focus(entry);
    entry.show();
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const entry = event.target.closest("[role=treeitem]");
    const all = [...this.list.querySelectorAll("[role=treeitem]")].filter(each => each.offsetParent !== null);
    const at = all.indexOf(entry), open = entry.getAttribute("aria-expanded") === "true";
    if (event.key === "ArrowDown") this.focus(all[at + 1]);
    else if (event.key === "ArrowUp") this.focus(all[at - 1]);
    else if (event.key === "Home") this.focus(all[0]);
    else if (event.key === "End") this.focus(all[all.length - 1]);
    else if (event.key === "ArrowRight") { if (entry.fold && !open) entry.fold(true); else if (open) this.focus(all[at + 1]); }
    else if (event.key === "ArrowLeft") { if (entry.fold && open) entry.fold(false); else this.focus(entry.parentElement.closest("[role=treeitem]")); }
    else if (event.key === "Enter" || event.key === " ") entry.show();
    else if (event.key === "c") this.reveal(this.data.path[this.data.path.length - 1]);
    else return;
    event.preventDefault();
  }

  // One row for each depth, as wide as its visits; a picture of what the list says in words.
  map() {
    const picture = make("div", "map");
    picture.setAttribute("aria-hidden", "true");
    const seen = new Set(), total = this.data.simulations || 1;
    const grow = (id, left, width, depth) => {
      let at = left;
      const edges = this.data.nodes[id].edges.filter(edge => edge.visits).sort((a, b) => b.visits - a.visits);
      const sum = edges.reduce((all, edge) => all + edge.visits, 0);
      for (const edge of edges) {
        const part = Math.min(edge.visits / total, width * edge.visits / (sum || 1));
        const node = this.data.nodes[edge.to], again = seen.has(edge.to);
        const block = make("div", "block" + (this.path.has(edge.to) && this.path.has(id) ? " chosen" : "") + (node.result && node.result.error ? " fails" : ""),
          make("code", "", readable(node.step) || "(end)"));
        block.title = (readable(node.step) || "(end)") + "\n" + numbers(edge);
        block.style.setProperty("--left", at);
        block.style.setProperty("--width", part);
        block.style.setProperty("--depth", depth);
        block.style.setProperty("--worth", Math.max(0, Math.min(1, (edge.q + 1) / 2)));
        block.addEventListener("click", () => this.reveal(edge.to));
        picture.append(block);
        this.deepest = Math.max(this.deepest || 0, depth + 1);
        seen.add(edge.to);
        if (!again) grow(edge.to, at, part, depth + 1);
        at += part;
      }
    };
    grow(0, 0, 1, 0);
    picture.style.setProperty("--rows", this.deepest || 0);
    return picture;
  }
}

function bar(part) {
  const full = make("i");
  full.style.width = 100 * part + "%";
  return make("span", "bar", full);
}

function cut(refused, level) {
  const entry = make("li", "refused");
  entry.setAttribute("role", "treeitem");
  entry.setAttribute("aria-level", level);
  entry.tabIndex = -1;
  entry.show = () => {};
  entry.append(make("div", "row", make("span", "fold", "✕"), make("code", "", readable(refused.step)), make("span", "tag bad", "cut: " + refused.reason)));
  return entry;
}

function ballot(candidate, all) {
  const query = make("td", "", make("code", "", candidate.sql));
  if (candidate.own) query.append(" ", make("span", "tag", "model's own"));
  const part = candidate.score < 0 ? null : candidate.score / all;
  const vote = make("td", "n", part === null ? "failed" : share(part));
  if (part !== null) vote.append(bar(part));
  const row = make("tr", "", query, vote, make("td", "n", candidate.answers), make("td", "n", candidate.visits));
  ["", "Vote", "Queries", "Visits"].forEach((name, at) => { row.children[at].dataset.name = name; });
  return row;
}

function vote(data) {
  const head = make("tr", "", make("th", "", "Query"), make("th", "n", "Vote"), make("th", "n", "Queries"), make("th", "n", "Visits"));
  for (const cell of head.children) cell.scope = "col";
  const all = data.candidates.reduce((sum, candidate) => sum + Math.max(0, candidate.score), 0) || 1;
  const body = make("tbody", "", ...data.candidates.map(candidate => ballot(candidate, all)));
  return make("div", "vote", make("table", "", make("thead", "", head), body));
}

function keys() {
  const found = make("p", "hint", "N: visits. Q: mean value of what was found below, from −1 to 1. P: the model's share among siblings. ");
  for (const [key, does] of [["↑", ""], ["↓", "walk "], ["→", ""], ["←", "open and close "], ["Enter", "details "], ["c", "chosen answer"]]) found.append(make("kbd", "", key), " " + does);
  return found;
}

// Draws `data` into `place`; `heading` is the level of its headings.
export function drawTree(place, data, heading = "h2") {
  if (!data.nodes.length) {
    place.replaceChildren(make("p", "", "Nothing was searched."));
    return;
  }
  const drawing = new Drawing(data);
  const why = make("div", "why", make(heading, "", "Why this answer"), make("p", "", reasons(data).join(" ")));
  const facts = [count(data.simulations, "simulation"), count(data.expansions, "expansion"), count(data.tokens, "token"), two(data.seconds) + " s", "stopped: " + data.reason];
  place.classList.add("search-tree");
  place.replaceChildren(why);
  if (data.candidates.length) place.append(make(heading, "", "The vote"), vote(data));
  if (data.nodes[0].edges.length) place.append(make(heading, "", "Where the search went"), make("p", "hint", "One row for each step of a query; the wider, the more visits; the stronger the colour, the higher the value. The framed way is the chosen one."), drawing.map());
  place.append(make(heading, "", "Every step"), keys(), drawing.list, drawing.details, make("p", "facts", facts.join(" · ")));
}
