// A chart of an answer: a number, bars (side by side or stacked), a line or points. The service suggests
// one; kind, axes, a second dimension and order can be chosen. Everything is SVG, drawn anew at every
// width, and can be saved as SVG or PNG. Each chart has one sentence for who cannot see it; the table
// beside it holds everything it shows.
//
//     if (canDraw(answer)) place.append(chart(answer))

import { button, count, download, draw, make, say } from "./elements.js";
import { compare, labelOf, shown } from "./rows.js";

const BARS = 40;
const COLOURS = 8;
const HEIGHT = 320;
const KINDS = { bar: "Bars", stacked: "Stacked bars", line: "Line", scatter: "Points" };
const ORDERS = { natural: "By name or time", value: "Largest first", query: "As in the SQL" };
const CYCLES = ["jan feb mar apr may jun jul aug sep oct nov dec", "mon tue wed thu fri sat sun"].map(each => each.split(" "));
const number = value => (value === null || value === undefined || value === "" ? NaN : Number(value));
const grouped = value => (Number.isFinite(number(value)) ? Number(number(value).toPrecision(10)).toLocaleString("en", { maximumFractionDigits: 4 }) : "–");
const label = value => (value === null ? "NULL" : shown(value));

// Round marks between two numbers: steps of 1, 2, 2.5 or 5 times a power of ten.
export function ticks(low, high, wanted = 5) {
  if (!(high > low)) return [low];
  const rough = (high - low) / wanted, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 2.5, 5, 10].find(each => each * power >= rough);
  const marks = [];
  for (let at = Math.ceil(low / step - 1e-9); at * step <= high + step * 1e-9; at += 1) marks.push(Number((at * step).toPrecision(12)));
  return marks;
}

function extent(values, withZero) {
  const real = values.filter(Number.isFinite);
  let low = Math.min(...real), high = Math.max(...real);
  if (withZero) [low, high] = [Math.min(0, low), Math.max(0, high)];
  return low === high ? [low - 1, high + 1] : [low, high];
}

// The choice to begin with: the service's, else bars of the first quantity.
function suggested(answer) {
  if (answer.chart) return { series: null, ...answer.chart };
  const y = (answer.amounts || [])[0], x = answer.columns.findIndex((_, at) => !answer.amounts?.includes(at));
  return y === undefined || x < 0 || answer.rows.length < 2 ? null : { kind: "bar", x, y: [y], series: null };
}

export const canDraw = answer => answer.rows.length > 0 && suggested(answer) !== null;

// January before February, Monday before Tuesday, else as numbers and dictionaries have it.
function natural(values) {
  const short = value => String(value).slice(0, 3).toLowerCase();
  const cycle = CYCLES.find(each => values.every(value => typeof value === "string" && each.includes(short(value)) && value.length < 10));
  if (cycle) return (a, b) => cycle.indexOf(short(a)) - cycle.indexOf(short(b));
  return (a, b) => (a === null || b === null ? (a === null) - (b === null) : compare(a, b));
}

function usualOrder(answer, x) {
  const type = (answer.types || [])[x];
  if (type === "date" || type === "number") return "natural";
  return /\border\s+by\b/i.test(answer.sql || "") ? "query" : "value";
}

// What is drawn: the cells along x, and for each series its name and one value for each of them.
export function table(answer, { kind, x, y, series, order }) {
  let rows = answer.rows, places, lists, rest = "";
  if (series === null) {
    places = rows.map(row => (x === null ? null : row[x]));
    lists = y.map(column => ({ name: labelOf(answer, column), values: rows.map(row => number(row[column])) }));
  } else {
    const sums = new Map();
    for (const row of rows) sums.set(row[series], (sums.get(row[series]) || 0) + Math.abs(number(row[y[0]]) || 0));
    const more = sums.size > COLOURS, together = more && kind === "stacked";
    const names = [...sums.keys()].sort((a, b) => sums.get(b) - sums.get(a)).slice(0, together ? COLOURS - 1 : COLOURS);
    names.sort(natural(names));
    if (together) { // what there is no colour for is one part of each bar
      names.push("Others (" + (sums.size - names.length) + ")");
      rows = rows.map(row => (names.includes(row[series]) ? row : row.with(series, names.at(-1))));
    } else if (more) rest = "The " + COLOURS + " largest of " + count(sums.size, "value") + " of " + labelOf(answer, series) + ".";
    rows = rows.filter(row => names.includes(row[series]));
    places = kind === "scatter" ? rows.map(row => row[x]) : [...new Set(rows.map(row => row[x]))];
    lists = names.map(name => ({ name: label(name), values: places.map(() => NaN) }));
    rows.forEach((row, at) => {
      const values = lists[names.indexOf(row[series])].values, place = kind === "scatter" ? at : places.indexOf(row[x]);
      values[place] = (values[place] || 0) + number(row[y[0]]);
    });
  }
  const all = places.map((_, at) => at), sum = at => lists.reduce((total, each) => total + (each.values[at] || 0), 0);
  if (order === "value") all.sort((a, b) => sum(b) - sum(a));
  else if (order === "natural") { const by = natural(places); all.sort((a, b) => by(places[a], places[b])); }
  const chosen = kind === "bar" || kind === "stacked" ? all.slice(0, BARS) : all;
  if (chosen.length < all.length) rest = "The first " + BARS + " of " + all.length.toLocaleString("en") + "; the table has all. " + rest;
  return { places: chosen.map(at => places[at]), series: lists.map(each => ({ ...each, values: chosen.map(at => each.values[at]) })), rest };
}

// "Number of books by genre": a label that says what was computed goes on in small letters.
function heading(answer, { x, y, series }) {
  const spaced = at => labelOf(answer, at).replaceAll("_", " ");
  const inside = at => (labelOf(answer, at) === answer.columns[at] ? spaced(at) : spaced(at)[0].toLowerCase() + spaced(at).slice(1));
  const what = [spaced(y[0]), ...y.slice(1).map(inside)].join(", ");
  return what + (x === null ? "" : " by " + inside(x)) + (series === null ? "" : " and " + inside(series));
}

export function chart(answer) {
  const choice = suggested(answer);
  if (choice.kind === "number") return make("figure", { class: "big" }, make("strong", {}, grouped(answer.rows[0]?.[choice.y[0]])), make("figcaption", {}, labelOf(answer, choice.y[0])));
  choice.order = usualOrder(answer, choice.x);
  const place = make("div"), numbers = answer.columns.map((_, at) => at).filter(at => answer.types[at] === "number");
  const names = at => [String(at), labelOf(answer, at)];
  const select = (text, options, value, change) => {
    const box = make("select", { "aria-label": text, onchange: () => { change(box.value); fill(); } }, ...options.map(([each, name]) => make("option", { value: each }, name)));
    box.value = String(value);
    return make("label", {}, make("span", {}, text), box);
  };
  const several = choice.y.length > 1 ? [["", choice.y.map(at => labelOf(answer, at)).join(", ")]] : [], all = choice.y;
  const options = make("div", { class: "chart-options" },
    select("Chart", Object.entries(KINDS), choice.kind, value => { choice.kind = value; }),
    select("Of", [...several, ...numbers.map(names)], several.length ? "" : choice.y[0], value => { choice.y = value === "" ? all : [Number(value)]; }),
    select("By", answer.columns.map((_, at) => names(at)), choice.x, value => { choice.x = Number(value); choice.order = usualOrder(answer, choice.x); options.children[4].lastChild.value = choice.order; }),
    select("And", [["", "nothing else"], ...answer.columns.map((_, at) => names(at))], choice.series ?? "", value => { choice.series = value === "" ? null : Number(value); }),
    select("Order", Object.entries(ORDERS), choice.order, value => { choice.order = value; }));
  const tools = make("div", { class: "chart-tools" }, make("details", {}, make("summary", {}, "Change the chart"), options),
    make("span", { class: "buttons" }, ...["PNG", "SVG"].map(kind => button(kind, { class: "quiet", "aria-label": "Save the chart as " + kind, onclick: () => save(place, kind, heading(answer, choice)) }, "download"))));
  function fill() {
    const now = { ...choice, y: choice.series === null ? choice.y : choice.y.slice(0, 1) };
    place.replaceChildren(figure(answer, now, table(answer, now)));
  }
  fill();
  return make("div", { class: "chart" }, tools, place);
}

function figure(answer, choice, data) {
  const { kind, x } = choice, flat = data.series.flatMap(each => each.values).filter(Number.isFinite);
  if (!flat.length) return make("p", { class: "empty" }, "There is no number to draw; the table shows the rows.");
  const bar = kind === "bar" || kind === "stacked", title = heading(answer, choice);
  const place = make("div", { class: "plot" }), tip = make("output", { class: "tip", hidden: true });
  const what = bar ? ["Bars", count(data.places.length, "bar")] : [kind === "line" ? "Line" : "Points", count(flat.length, "point")];
  const name = what[0] + " of " + title + ", " + what[1] + ", from " + grouped(Math.min(...flat)) + " to " + grouped(Math.max(...flat)) + "." + (bar ? "" : " Arrow keys walk along it.");
  const box = make("figure", { class: bar ? "bars" : "drawn", tabindex: bar ? null : "0", "aria-label": name }, make("figcaption", {}, title),
    data.series.length > 1 ? make("ul", { class: "legend" }, ...data.series.map((each, at) => make("li", {}, make("i", { class: "series-" + (at % COLOURS) }), each.name))) : null,
    place, tip, data.rest ? make("p", { class: "hint" }, data.rest) : null);
  const stacked = kind === "stacked" && flat.every(value => value >= 0);
  const plot = bar ? width => bars(data, stacked, width) : points(answer, choice, data, box, place, tip);
  new ResizeObserver(() => { if (place.clientWidth) place.replaceChildren(plot(Math.max(220, place.clientWidth))); }).observe(place);
  return box;
}

let measuring = null;

function textWidth(text) {
  measuring ??= document.createElement("canvas").getContext("2d");
  measuring.font = "14px " + getComputedStyle(document.body).fontFamily;
  return measuring.measureText(text).width;
}

// A text that fits into so many pixels.
function fitting(text, width) {
  if (textWidth(text) <= width) return text;
  let size = text.length;
  while (size > 1 && textWidth(text.slice(0, size) + "…") > width) size -= 1;
  return text.slice(0, size) + "…";
}

// Bars lie: names of any length have room, and so have the values behind them.
function bars(data, stacked, width) {
  const { places, series } = data, sums = places.map((_, at) => series.reduce((sum, each) => sum + (each.values[at] || 0), 0));
  const [low, high] = extent(stacked ? sums : series.flatMap(each => each.values), true);
  const names = places.map(value => (value === null && places.length === 1 ? "" : label(value)));
  const texts = stacked ? sums.map(grouped) : series.flatMap(each => each.values.map(grouped));
  const left = Math.min(0.38 * width, Math.max(...names.map(textWidth))) + 12, room = Math.max(20, width - left - Math.max(...texts.map(textWidth)) - 12);
  const lines = stacked ? 1 : series.length, thick = lines > 1 ? 15 : 24, step = lines * (thick + 2) + 6;
  const px = value => left + (room * (value - low)) / (high - low);
  const svg = draw("svg", { width, height: step * places.length, viewBox: "0 0 " + width + " " + step * places.length });
  const box = (at, line, from, to, top) => draw("rect", { class: "box series-" + (line % COLOURS), x: Math.min(px(from), px(to)), y: top, width: Math.max(2, Math.abs(px(to) - px(from))), height: thick, rx: stacked ? 1 : 3 },
    draw("title", {}, names[at] + (series.length > 1 ? ", " + series[line].name : "") + ": " + grouped(to - from)));
  places.forEach((_, at) => {
    const top = step * at + 3, texts = [];
    let from = 0;
    series.forEach((each, line) => {
      const value = each.values[at], y = stacked ? top : top + line * (thick + 2);
      if (stacked && !value) return;
      if (Number.isFinite(value)) svg.append(box(at, line, stacked ? from : 0, stacked ? from + value : value, y));
      if (stacked) from += value;
      else if (Number.isFinite(value) || lines === 1) texts.push(draw("text", { class: "n", x: px(Math.max(0, value || 0)) + 8, y: y + thick / 2 + 5 }, Number.isFinite(value) ? grouped(value) : "NULL"));
    });
    if (stacked) texts.push(draw("text", { class: "n", x: px(from) + 8, y: top + thick / 2 + 5 }, grouped(from)));
    svg.append(draw("text", { class: "label", x: left - 10, y: top + (lines * (thick + 2)) / 2 + 4, "text-anchor": "end" }, fitting(names[at], left - 12)), ...texts);
  });
  return svg;
}

// Where the marks of the x axis lie: numbers and dates on a scale, anything else one after the other.
function scale(type, cells) {
  const plain = cells.map(number);
  if (type === "number") return { values: plain, name: value => shown(value), kind: "number" };
  const dates = cells.map(value => (typeof value === "string" ? Date.parse(value) : NaN));
  if (type === "date" && dates.every(Number.isFinite)) return { values: dates, name: (_, at) => label(cells[at]), kind: "date" };
  return { values: cells.map((_, at) => at), name: (_, at) => label(cells[at]), kind: "place" };
}

// Lines and points; returns what draws them at a width. Pointer and arrow keys tell single values.
function points(answer, { kind, x }, data, figure, place, tip) {
  const across = scale((answer.types || [])[x], data.places), dots = kind === "scatter";
  const order = across.values.map((_, at) => at).filter(at => Number.isFinite(across.values[at]));
  if (!dots) order.sort((a, b) => across.values[a] - across.values[b]);
  const series = data.series.map(({ name, values }) => order.map(at => ({ at, name, x: across.values[at], y: values[at] })).filter(point => Number.isFinite(point.y)));
  const all = series.flat(), state = { shown: -1, where: () => [0, 0], dot: null };
  const tell = point => {
    const [left, top] = state.where(point);
    state.dot.setAttribute("cx", left);
    state.dot.setAttribute("cy", top);
    state.dot.removeAttribute("visibility");
    tip.replaceChildren(make("strong", {}, grouped(point.y)), " " + across.name(point.x, point.at) + (series.length > 1 ? ", " + point.name : ""));
    tip.hidden = false;
    tip.style.left = Math.min(Math.max(left, 60), place.clientWidth - 60) + "px";
    tip.style.top = place.offsetTop + top + "px";
  };
  const hide = () => { tip.hidden = true; if (state.dot) state.dot.setAttribute("visibility", "hidden"); };
  place.addEventListener("pointermove", event => {
    const box = place.getBoundingClientRect(), [px, py] = [event.clientX - box.left, event.clientY - box.top];
    let best = null, least = Infinity;
    for (const point of all) {
      const [left, top] = state.where(point);
      const away = dots ? (left - px) ** 2 + (top - py) ** 2 : Math.abs(left - px) + Math.abs(top - py) / 1000;
      if (away < least) [best, least] = [point, away];
    }
    if (best) tell(best);
  });
  place.addEventListener("pointerleave", hide);
  figure.addEventListener("blur", hide);
  figure.addEventListener("keydown", event => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    state.shown = Math.max(0, Math.min(all.length - 1, state.shown + step));
    tell(all[state.shown]);
  });
  return width => picture({ across, series, all, dots, width }, state);
}

function picture({ across, series, all, dots, width }, state) {
  const [low, high] = extent(all.map(point => point.y), !dots && Math.min(...all.map(point => point.y)) >= 0);
  const marks = ticks(low, high), top = Math.max(high, marks[marks.length - 1]);
  const [first, last] = extent(all.map(point => point.x), false);
  const left = 12 + Math.max(...marks.map(mark => textWidth(grouped(mark)))), right = 14, above = 10, below = 28;
  const place = (value, from, to, start, end) => start + (end - start) * ((value - from) / (to - from || 1));
  const px = value => place(value, first, last, left + 6, width - right), py = value => place(value, low, top, HEIGHT - below, above);
  state.where = point => [px(point.x), py(point.y)];
  const svg = draw("svg", { width, height: HEIGHT, viewBox: "0 0 " + width + " " + HEIGHT, "aria-hidden": "true" });
  for (const mark of marks) {
    svg.append(draw("line", { class: "grid", x1: left, x2: width - right, y1: py(mark), y2: py(mark) }),
      draw("text", { x: left - 6, y: py(mark) + 4, "text-anchor": "end" }, grouped(mark)));
  }
  for (const [value, text] of xMarks(across, first, last, width)) {
    const at = px(value), anchor = at > width - 48 ? "end" : at < left + 36 ? "start" : "middle";
    svg.append(draw("text", { x: at, y: HEIGHT - 8, "text-anchor": anchor }, text));
  }
  series.forEach((list, at) => {
    const kind = "series-" + (at % COLOURS);
    if (!dots) svg.append(draw("path", { class: "line " + kind + (list.length > width / 3 ? " dense" : ""), d: list.map((point, each) => (each ? "L" : "M") + px(point.x).toFixed(1) + " " + py(point.y).toFixed(1)).join("") }));
    if (dots || list.length <= 40) for (const point of list) svg.append(draw("circle", { class: "dot " + kind, cx: px(point.x), cy: py(point.y), r: dots ? 3.5 : 3 }));
  });
  state.dot = draw("circle", { class: "here", r: 6, visibility: "hidden" });
  svg.append(state.dot);
  return svg;
}

function xMarks(across, first, last, width) {
  const wanted = Math.max(2, Math.floor(width / 120));
  if (across.kind === "number") return ticks(first, last, 1.5 * wanted).map(mark => [mark, shown(mark)]);
  if (across.kind === "date") {
    const short = new Intl.DateTimeFormat("en", { year: "numeric", month: "short", day: last - first < 1e10 ? "numeric" : undefined, timeZone: "UTC" });
    return Array.from({ length: wanted }, (_, at) => first + ((last - first) * at) / (wanted - 1 || 1)).map(value => [value, short.format(value)]);
  }
  const every = Math.max(1, Math.ceil(across.values.length / wanted));
  return across.values.filter(at => at % every === 0).map(at => [at, String(across.name(at, at)).slice(0, 14)]);
}

// ---------------------------------------------------------------------------------------- as a file

const LOOKS = { fill: "fill", stroke: "stroke", strokeWidth: "stroke-width", fillOpacity: "fill-opacity", opacity: "opacity", fontFamily: "font-family", fontSize: "font-size" };

// The chart as SVG of its own: title, legend and drawing, with the colours that the page has now.
function standalone(place, title) {
  const svg = place.querySelector("svg"), copy = svg.cloneNode(true), originals = svg.querySelectorAll("*");
  copy.querySelectorAll("*").forEach((each, at) => {
    const look = getComputedStyle(originals[at]);
    for (const [name, attribute] of Object.entries(LOOKS)) each.setAttribute(attribute, look[name]);
    each.removeAttribute("class");
  });
  const ink = getComputedStyle(place), font = { fill: ink.color, "font-family": ink.fontFamily };
  const width = Number(svg.getAttribute("width")) + 32, keys = [];
  let x = 16, y = 64;
  for (const item of place.querySelectorAll(".legend li")) {
    const size = textWidth(item.textContent) + 36;
    if (x + size > width && x > 16) [x, y] = [16, y + 22];
    keys.push(draw("rect", { x, y: y - 10, width: 12, height: 12, rx: 3, fill: getComputedStyle(item.firstChild).backgroundColor }), draw("text", { ...font, x: x + 18, y, "font-size": "13px" }, item.textContent));
    x += size;
  }
  const above = keys.length ? y + 14 : 48, height = above + Number(svg.getAttribute("height")) + 16;
  copy.setAttribute("x", 16);
  copy.setAttribute("y", above);
  return draw("svg", { width, height, viewBox: "0 0 " + width + " " + height },
    draw("rect", { width, height, fill: getComputedStyle(place.closest(".result")).backgroundColor }),
    draw("text", { ...font, x: 16, y: 32, "font-size": "16px", "font-weight": "600" }, title), ...keys, copy);
}

async function save(place, kind, title) {
  const svg = standalone(place, title), name = (title.replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "").slice(0, 60) || "chart") + "." + kind.toLowerCase();
  const blob = new Blob([new XMLSerializer().serializeToString(svg)], { type: "image/svg+xml" });
  if (kind === "SVG") return download(blob, name);
  const reader = new FileReader(), image = new Image();
  reader.readAsDataURL(blob);
  await new Promise(later => { reader.onload = later; });
  image.src = reader.result;
  await image.decode();
  const canvas = make("canvas", { width: 2 * image.width, height: 2 * image.height });
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  canvas.toBlob(content => download(content, name), "image/png");
  say("Saved");
}
