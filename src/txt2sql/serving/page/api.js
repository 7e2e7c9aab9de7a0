// The service's API as functions. What fails is thrown as a Failure whose message is one sentence.
//
//     for await (const [name, data] of ask("How many shops?", 0, id, signal)) ...

export class Failure extends Error {
  constructor(message, status = 0, retry = 0) {
    super(message);
    this.status = status;
    this.retry = retry; // seconds after which the service wants to be asked again
  }
}

const GONE = "The service cannot be reached; see whether “txt2sql serve” still runs, then try again.";

// Whole numbers that a double cannot hold keep their digits.
function exactly(key, value, context) {
  if (typeof value !== "number" || Number.isSafeInteger(value) || !context) return value;
  return /^-?\d+$/.test(context.source) ? BigInt(context.source) : value;
}

let named = ""; // the database that everything is about; "" where there is one
export const use = name => { named = name; };
export const chosen = () => named;

async function send(path, { method = "GET", body, accept, signal } = {}) {
  if (named && body) body = { ...body, database: named };
  else if (named) path += (path.includes("?") ? "&" : "?") + "database=" + encodeURIComponent(named);
  const headers = {};
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (accept) headers.Accept = accept;
  let response;
  try {
    response = await fetch(path, { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch (problem) {
    throw problem.name === "AbortError" ? problem : new Failure(GONE);
  }
  if (response.ok) return response;
  const told = await response.json().catch(() => ({}));
  const sentence = typeof told.error === "string" ? told.error : "The service answered with status " + response.status + "; try again.";
  throw new Failure(sentence, response.status, Number(response.headers.get("Retry-After")) || 0);
}

async function read(path, options) {
  return JSON.parse(await (await send(path, options)).text(), exactly);
}

export const databases = () => read("api/databases");
export const database = () => read("api/database");
export const refresh = () => read("api/database/refresh", { method: "POST" });
export const history = search => read("api/history?limit=100&search=" + encodeURIComponent(search));
export const rename = (id, name) => send("api/answers/" + encodeURIComponent(id), { method: "PATCH", body: { name } });
export const stored = (id, signal) => read("api/answers/" + encodeURIComponent(id) + "?rows=1", { signal });
export const kept = id => read("api/answers/" + encodeURIComponent(id));
export const run = (sql, id, signal) => read("api/sql", { method: "POST", body: { sql, id }, signal });
export const stop = id => send("api/ask/" + encodeURIComponent(id), { method: "DELETE" });
export const forget = () => send("api/history", { method: "DELETE" });
export const judge = feedback => send("api/feedback", { method: "POST", body: feedback });

// A file of all rows, as [content, name].
export async function rows(id, kind) {
  const response = await send("api/answers/" + encodeURIComponent(id) + "/rows." + kind);
  const name = /filename="([^"]+)"/.exec(response.headers.get("Content-Disposition") || "");
  return [await response.blob(), name ? name[1] : "rows." + kind];
}

// A random UUID, also where the page came over plain HTTP from another machine.
export function newId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 15) | 64;
  bytes[8] = (bytes[8] & 63) | 128;
  const hex = [...bytes].map(byte => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

// The events of one question, as [name, data]: queued, started, progress, then answer, stopped or error.
export async function* ask(question, search, id, previous) {
  const response = await send("api/ask", { method: "POST", body: { question, search, id, previous }, accept: "text/event-stream" });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read().catch(() => { throw new Failure(GONE); });
      if (done) break;
      const blocks = (rest + value).split(/\r?\n\r?\n/);
      rest = blocks.pop();
      for (const block of blocks) {
        const event = parse(block);
        if (event) yield event;
      }
    }
  } finally {
    reader.cancel().catch(() => {}); // who heard the end waits for no more
  }
}

// One event of a stream; null for a comment that only keeps the connection open.
export function parse(block) {
  let name = "message";
  const data = [];
  for (const line of block.split(/\r?\n/)) {
    if (line.startsWith("event:")) name = line.slice(6).trim();
    else if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
  }
  return data.length ? [name, JSON.parse(data.join("\n"), exactly)] : null;
}
