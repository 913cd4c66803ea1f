// Data, words for verdicts, and the few helpers that build elements. Text from a run (logs, vendor
// IDs, reasons) is hostile: it only ever becomes a text node or an attribute's value.

const data = JSON.parse(document.getElementById("index").textContent);

const VERDICTS = ["FAIL", "ERROR", "XPASS", "XFAIL", "UNSUPPORTED", "PASS"];
const UNEXPECTED = new Set(["FAIL", "ERROR", "XPASS"]);
const SHORT = {
  PASS: "pass", FAIL: "FAIL", ERROR: "ERROR", UNSUPPORTED: "unsup.", XFAIL: "xfail", XPASS: "XPASS",
};
const MEANING = {
  PASS: "the peer did what the rule asks",
  FAIL: "the peer broke the rule",
  ERROR: "the lab or the test broke: nothing is said of the peer",
  UNSUPPORTED: "the peer lacks what the test needs",
  XFAIL: "a known deviation, failed as expected",
  XPASS: "a known deviation that no longer shows: the expectation is out of date",
};

const byId = (id) => document.getElementById(id);

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) element.append(child);
  }
  return element;
}

const el = (tag, attributes = {}, ...children) =>
  fill(document.createElement(tag), attributes, children);

const svg = (tag, attributes = {}, ...children) =>
  fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

const plural = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;

// A details element whose content is made when it is first opened.
function lazy(attributes, summary, content) {
  const body = el("div", { class: "body" });
  const details = el("details", attributes, el("summary", {}, summary), body);
  const build = () => {
    if (details.open && !body.hasChildNodes()) body.append(...[content()].flat());
  };
  details.addEventListener("toggle", build);
  if (details.open) build();
  details.build = () => {
    details.open = true;
    build();
  };
  return details;
}

// The detail of a result: in the page itself, or in a script of its own beside it.
const waiting = new Map();
window.ikelabDetail = (number, text) => waiting.get(number)?.(text);

function packed(number) {
  const inside = byId(`detail-${number}`);
  if (inside) return inside.textContent;
  return new Promise((resolve, reject) => {
    waiting.set(number, resolve);
    const script = el("script", { src: `details/${number}.js` });
    script.addEventListener("load", () => script.remove());
    script.addEventListener("error", () => reject(new Error(`${script.src} is missing`)));
    document.head.append(script);
  });
}

async function unpack(number) {
  const text = await packed(number);
  const bytes = fromBase64(text);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return JSON.parse(await new Response(stream).text());
}

function fromBase64(text) {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i += 1) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

function copyButton(text, label = "Copy") {
  const button = el("button", { type: "button", class: "copy" }, label);
  button.addEventListener("click", async () => {
    await copy(typeof text === "function" ? text() : text);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = label; }, 1200);
  });
  return button;
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = el("textarea", { class: "away" });
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}
