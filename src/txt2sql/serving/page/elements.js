// Elements out of text: everything that this page shows is made here or set as textContent, so that
// nothing a database, a model or a person wrote can become markup.
//
//     make("button", { class: "primary", onclick: ask }, icon("play"), "Run")

export const find = id => document.getElementById(id);

// An element with attributes; a name that starts with "on" is a listener, null and false are left out.
export function make(name, attributes = {}, ...inside) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(key, value);
  }
  element.append(...inside.filter(each => each !== null && each !== undefined));
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

export function draw(name, attributes = {}, ...inside) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...inside);
  return element;
}

export function icon(name) {
  return draw("svg", { class: "icon", "aria-hidden": "true" }, draw("use", { href: "#i-" + name }));
}

export function button(text, attributes = {}, picture = null) {
  return make("button", { type: "button", ...attributes }, picture && icon(picture), make("span", {}, text));
}

// What a screen reader says next.
export function say(text) {
  find("said").textContent = text;
}

export const count = (number, one, many = one + "s") => number.toLocaleString("en") + " " + (number === 1 ? one : many);

// Text to the clipboard; where the browser gives none (plain HTTP), by way of a marked text.
export async function copyText(text, pressed) {
  const label = pressed.lastChild, before = label.textContent;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = make("textarea", { class: "hidden-text", "aria-hidden": "true" });
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
    pressed.focus();
  }
  label.textContent = "Copied";
  say("Copied");
  setTimeout(() => { label.textContent = before; }, 1600);
}

// A file of the browser's own making, or of the service's.
export function download(content, name) {
  const link = make("a", { href: URL.createObjectURL(content), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

// Tabs by the pattern of WAI-ARIA: arrows walk, the panel of the chosen one is shown.
export function tabs(list, chosen = () => {}) {
  const all = [...list.querySelectorAll("[role=tab]")];
  const choose = (tab, focus) => {
    for (const each of all) {
      each.setAttribute("aria-selected", each === tab);
      each.tabIndex = each === tab ? 0 : -1;
      const panel = list.getRootNode().getElementById(each.getAttribute("aria-controls"));
      if (panel) panel.hidden = each !== tab;
    }
    if (focus) tab.focus();
    chosen(tab);
  };
  for (const tab of all) tab.addEventListener("click", () => choose(tab));
  list.addEventListener("keydown", event => {
    const at = all.indexOf(event.target);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    choose(all[(to + all.length) % all.length], true);
  });
  return choose;
}
