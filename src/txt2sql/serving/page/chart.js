// A chart of an answer, as the service suggests it: a number, bars, a line or points. The bars are
// plain boxes with their values beside them; line and points are SVG, drawn anew at every width. Each
// chart has one sentence for who cannot see it; the table beside it holds everything it shows.
//
//     place.append(chart(answer))

import { count, draw, make } from "./elements.js";
import { shown } from "./rows.js";

const BARS = 40;
const HEIGHT = 320;
const number = value => (value === null || value === undefined || value === "" ? NaN : Number(value));
const grouped = value => (Number.isFinite(number(value)) ? Number(number(value).toPrecision(10)).toLocaleString("en", { maximumFractionDigits: 4 }) : "–");
const label = value => (value === null ? "NULL" : shown(value));

// Round marks between two numbers: steps of 1, 2, 2.5 or 5 times a power of ten.
export function ticks(low, high, wanted = 5) {
  if (!(high > low)) return [low];
  const rough = (high - low) / wanted, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 2.5, 5, 10].find(each => each * power >= rough);
  const found = [];
  for (let at = Math.ceil(low / step - 1e-9); at * step <= high + step * 1e-9; at += 1) found.push(Number((at * step).toPrecision(12)));
  return found;
}

function extent(values, withZero) {
  const real = values.filter(Number.isFinite);
  let low = Math.min(...real), high = Math.max(...real);
  if (withZero) [low, high] = [Math.min(0, low), Math.max(0, high)];
  return low === high ? [low - 1, high + 1] : [low, high];
}

export function chart(answer) {
  const { kind, x, y } = answer.chart;
  const draws = { number: bigNumber, bar: bars, line: lines, scatter: lines }[kind];
  return draws ? draws(answer, x, y, kind) : make("p", { class: "empty" }, "This result has no picture; the table shows it.");
}

function bigNumber(answer, x, y) {
  const at = y[0] ?? 0;
  return make("figure", { class: "big" }, make("strong", {}, grouped(answer.rows[0]?.[at])), make("figcaption", {}, answer.columns[at]));
}

function legend(answer, y) {
  if (y.length < 2) return null;
  return make("ul", { class: "legend" }, ...y.map((column, at) => make("li", {}, make("i", { class: "series-" + (at % 4) }), answer.columns[column])));
}

function bars(answer, x, y) {
  const rows = answer.rows.slice(0, BARS);
  const [low, high] = extent(rows.flatMap(row => y.map(column => number(row[column]))), true);
  const groups = rows.map(row => make("div", { class: "group" },
    make("span", { class: "label", title: label(row[x]) }, x === null ? "" : label(row[x])),
    make("span", { class: "values" }, ...y.map((column, at) => {
      const value = number(row[column]), bar = make("span", { class: "value series-" + (at % 4) }, make("span", { class: "box" }),
        make("span", { class: "n" }, Number.isFinite(value) ? grouped(value) : "NULL"));
      bar.style.setProperty("--from", ((Math.min(0, value) || 0) - low) / (high - low));
      bar.style.setProperty("--size", (Math.abs(value) || 0) / (high - low));
      return bar;
    }))));
  const name = "Bars of " + y.map(column => answer.columns[column]).join(", ") + (x === null ? "" : " by " + answer.columns[x]) + ", " + count(rows.length, "bar") + ", from " + grouped(low) + " to " + grouped(high) + ".";
  const rest = answer.rows.length - rows.length;
  return make("figure", { class: "bars", "aria-label": name }, heading(answer, x, y), legend(answer, y), ...groups,
    rest > 0 ? make("p", { class: "hint" }, "The first " + BARS + " of " + count(answer.rows.length, "row") + "; the table has all.") : null);
}

function heading(answer, x, y) {
  const what = y.map(column => answer.columns[column]).join(", ");
  return make("figcaption", {}, x === null ? what : what + " by " + answer.columns[x]);
}

// Where the marks of the x axis lie: numbers and dates on a scale, anything else one after the other.
function scale(answer, x) {
  const cells = answer.rows.map(row => row[x]);
  const type = (answer.types || [])[x];
  const plain = cells.map(number);
  if (type === "number" || (type === undefined && plain.every(Number.isFinite))) {
    return { values: plain, name: value => shown(value), kind: "number" };
  }
  const dates = cells.map(value => (typeof value === "string" ? Date.parse(value) : NaN));
  if (type === "date" && dates.every(Number.isFinite)) return { values: dates, name: (_, at) => label(cells[at]), kind: "date" };
  return { values: cells.map((_, at) => at), name: (_, at) => label(cells[at]), kind: "place" };
}

function lines(answer, x, y, kind) {
  const across = scale(answer, x), points = kind === "scatter";
  const order = across.values.map((_, at) => at).filter(at => Number.isFinite(across.values[at]));
  if (!points) order.sort((a, b) => across.values[a] - across.values[b]);
  const series = y.map(column => order.map(at => ({ at, x: across.values[at], y: number(answer.rows[at][column]), column })).filter(point => Number.isFinite(point.y)));
  const all = series.flat();
  if (!all.length) return make("p", { class: "empty" }, "There is no number to draw; the table shows the rows.");
  const place = make("div", { class: "plot" }), tip = make("output", { class: "tip", hidden: true });
  const name = (points ? "Points" : "Line") + " of " + y.map(column => answer.columns[column]).join(", ") + " by " + answer.columns[x] + ", " + count(all.length, "point") + ", from " + grouped(Math.min(...all.map(point => point.y))) + " to " + grouped(Math.max(...all.map(point => point.y))) + ". Arrow keys walk along it.";
  const figure = make("figure", { class: "drawn", tabindex: "0", "aria-label": name }, heading(answer, x, y), legend(answer, y), place, tip);
  const state = { shown: -1, where: () => [0, 0], dot: null };
  const plot = () => {
    const width = Math.max(260, place.clientWidth);
    place.replaceChildren(picture(answer, { across, series, all, points, x, width }, state));
  };
  const tell = point => {
    const [left, top] = state.where(point);
    state.dot.setAttribute("cx", left);
    state.dot.setAttribute("cy", top);
    state.dot.removeAttribute("visibility");
    tip.replaceChildren(make("strong", {}, grouped(point.y)), " " + across.name(point.x, point.at));
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
      const away = points ? (left - px) ** 2 + (top - py) ** 2 : Math.abs(left - px) + Math.abs(top - py) / 1000;
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
  new ResizeObserver(plot).observe(place);
  return figure;
}

function picture(answer, { across, series, all, points, x, width }, state) {
  const [low, high] = extent(all.map(point => point.y), !points && Math.min(...all.map(point => point.y)) >= 0);
  const marks = ticks(low, high), top = Math.max(high, marks[marks.length - 1]);
  const [first, last] = extent(all.map(point => point.x), false);
  const left = 12 + 7.5 * Math.max(...marks.map(mark => grouped(mark).length)), right = 14, above = 10, below = 28;
  const place = (value, from, to, start, end) => start + (end - start) * ((value - from) / (to - from || 1));
  const px = value => place(value, first, last, left + 6, width - right), py = value => place(value, low, top, HEIGHT - below, above);
  state.where = point => [px(point.x), py(point.y)];
  const svg = draw("svg", { width, height: HEIGHT, viewBox: "0 0 " + width + " " + HEIGHT, "aria-hidden": "true" });
  for (const mark of marks) {
    svg.append(draw("line", { class: "grid", x1: left, x2: width - right, y1: py(mark), y2: py(mark) }),
      draw("text", { x: left - 6, y: py(mark) + 4, "text-anchor": "end" }, grouped(mark)));
  }
  for (const [value, text] of xMarks(answer, across, x, first, last, width)) {
    const at = px(value), anchor = at > width - 48 ? "end" : at < left + 36 ? "start" : "middle";
    svg.append(draw("text", { x: at, y: HEIGHT - 8, "text-anchor": anchor }, text));
  }
  series.forEach((list, at) => {
    const kind = "series-" + (at % 4);
    if (!points) svg.append(draw("path", { class: "line " + kind + (list.length > width / 3 ? " dense" : ""), d: list.map((point, each) => (each ? "L" : "M") + px(point.x).toFixed(1) + " " + py(point.y).toFixed(1)).join("") }));
    if (points || list.length <= 40) for (const point of list) svg.append(draw("circle", { class: "dot " + kind, cx: px(point.x), cy: py(point.y), r: points ? 3.5 : 3 }));
  });
  state.dot = draw("circle", { class: "here", r: 6, visibility: "hidden" });
  svg.append(state.dot);
  return svg;
}

function xMarks(answer, across, x, first, last, width) {
  const wanted = Math.max(2, Math.floor(width / 120));
  if (across.kind === "number") return ticks(first, last, 1.5 * wanted).map(mark => [mark, shown(mark)]);
  if (across.kind === "date") {
    const short = new Intl.DateTimeFormat("en", { year: "numeric", month: "short", day: last - first < 1e10 ? "numeric" : undefined, timeZone: "UTC" });
    return Array.from({ length: wanted }, (_, at) => first + ((last - first) * at) / (wanted - 1 || 1)).map(value => [value, short.format(value)]);
  }
  const every = Math.max(1, Math.ceil(across.values.length / wanted));
  return across.values.filter(at => at % every === 0).map(at => [at, String(across.name(at, at)).slice(0, 14)]);
}
