// One message opened: its header, its payload tree with typed fields, its octets.

const HEADER = 28;     // octets of the IKE header (RFC 7296 3.1)
const HEX_SHOWN = 2048;
const ENCRYPTED = new Set([46, 53]);
const OWN = new Set(["name", "type", "length", "critical", "text"]);

function messageBody(step) {
  const body = el("div", { class: "message-body" }, messageFacts(step));
  const raw = hexView(step.raw, segments(step.payloads, HEADER, step.raw), "Octets of the message");
  const plain = step.plain
    ? hexView(step.plain, segments(step.inner, 0, step.plain), "Octets inside the encryption") : null;
  body.append(el("h4", {}, "Payloads"), payloadTree(step, raw, plain));
  body.append(...[plain, raw].filter(Boolean));
  return body;
}

function messageFacts(step) {
  const address = (pair) => (Array.isArray(pair) ? pair.join(":") : "?");
  const flags = [step.initiator_flag && "Initiator", step.response && "Response"].filter(Boolean);
  const facts = [
    ["from", address(step.src)], ["to", address(step.dst)],
    ["SPIi", step.spi_i], ["SPIr", step.spi_r],
    ["message ID", step.message_id], ["flags", flags.join(", ") || "none"],
    ["length", step.length === undefined ? null : `${step.length} octets`],
    ["encrypted", step.encrypted ? (step.decrypted ? "yes, opened" : "yes, not opened") : "no"],
  ];
  return el("dl", { class: "facts" }, facts.filter(([, value]) => value !== null && value !== undefined)
    .map(([name, value]) => [el("dt", {}, name), el("dd", {}, String(value))]));
}

function payloadTree(step, raw, plain) {
  const list = el("ul", { class: "tree" });
  const inner = step.inner ?? [];
  let placed = inner.length === 0;
  (step.payloads ?? []).forEach((payload, i) => {
    const holds = !placed && ENCRYPTED.has(payload.type);
    list.append(payloadNode(payload, raw, i, holds ? inner : [], plain));
    placed = placed || holds;
  });
  if (!placed) list.append(...inner.map((payload, i) => payloadNode(payload, plain, i, [], null)));
  if (!list.hasChildNodes()) list.append(el("li", { class: "quiet" }, "no payloads"));
  return list;
}

function payloadNode(payload, octets, segment, inner, plain) {
  const fields = Object.entries(payload).filter(([name]) => !OWN.has(name));
  const summary = el("summary", {},
    el("b", {}, payload.name ?? "?"),
    payload.type === undefined ? "" : el("span", { class: "quiet" }, ` ${payload.type}`),
    payload.length === undefined ? "" : el("span", { class: "quiet" }, ` ${payload.length} octets`),
    payload.critical ? el("span", { class: "critical" }, "critical") : "",
    payload.malformed ? el("span", { class: "critical" }, "malformed") : "",
    payload.text && payload.text !== payload.name ? el("code", {}, payload.text) : "");
  const details = el("details", { class: "payload" }, summary);
  const light = (on) => octets?.light(segment, on);
  details.addEventListener("toggle", () => light(details.open));
  summary.addEventListener("mouseenter", () => light(true));
  summary.addEventListener("mouseleave", () => light(details.open));
  if (fields.length) details.append(fieldList(fields));
  else if (!inner.length) details.append(el("p", { class: "quiet" }, "no further fields"));
  if (inner.length) {
    details.open = true;
    details.append(el("ul", { class: "tree" },
      inner.map((payload_, i) => payloadNode(payload_, plain, i, [], null))));
  }
  return el("li", {}, details);
}

const isObject = (value) => value !== null && typeof value === "object";
const isFlat = (value) => isObject(value) && !Object.values(value).some(isObject);

function fieldList(entries) {
  return el("dl", { class: "fields" }, entries.map(([name, value]) => {
    const nested = isObject(value) && Object.keys(value).length > 0;
    const inline = !nested || (Array.isArray(value) && isFlat(value));
    return [el("dt", { class: inline ? null : "over" }, name),
      el("dd", { class: inline ? null : "under" }, nested ? nestedField(value) : fieldText(value))];
  }));
}

function fieldText(value) {
  if (value === null) return el("span", { class: "quiet" }, "–");
  if (value === "") return el("span", { class: "quiet" }, "empty");
  if (typeof value === "object") return el("span", { class: "quiet" }, "none");
  return el("code", {}, String(value));
}

function nestedField(value) {
  if (!Array.isArray(value)) return fieldList(Object.entries(value));
  if (isFlat(value)) return el("code", {}, value.join(", "));
  if (value.every(isFlat)) return fieldTable(value);
  return value.map((entry, i) => lazy({ open: value.length <= 4 },
    isObject(entry) && entry.text ? `${i}: ${entry.text}` : String(i),
    () => (isObject(entry) ? nestedField(entry) : fieldText(entry))));
}

// A list of alike records (transforms, attributes) is a table.
function fieldTable(records) {
  const names_ = [...new Set(records.flatMap((record) => Object.keys(record)))];
  return el("div", { class: "scroll" }, el("table", { class: "records" },
    el("tr", {}, names_.map((name) => el("th", {}, name))),
    records.map((record) => el("tr", {}, names_.map((name) => el("td", {}, fieldText(record[name] ?? null)))))));
}

// Where each payload lies in the octets, from the lengths of the generic headers; nothing is
// marked from the payload on whose length does not fit.
function segments(payloads, start, hex) {
  const total = (hex ?? "").length / 2;
  const found = [];
  let at = start;
  for (const payload of payloads ?? []) {
    const length = payload.length;
    if (!Number.isInteger(length) || length < 4 || at + length > total) break;
    found.push({ from: at, to: at + length, name: payload.name ?? "?" });
    at += length;
  }
  return found;
}

function hexView(hex, parts, title) {
  if (!hex) return null;
  const total = hex.length / 2;
  const lit = new Set();
  const paint = () => {
    for (const span of view.querySelectorAll("[data-segment]")) {
      span.classList.toggle("lit", lit.has(Number(span.dataset.segment)));
    }
  };
  const view = lazy({ class: "octets" }, `${title}: ${total}`, () => {
    const pre = el("pre", { class: "hex", tabindex: 0, "aria-label": title });
    const draw = (limit) => {
      pre.replaceChildren(...hexRows(hex, parts, limit));
      queueMicrotask(paint);
    };
    draw(HEX_SHOWN);
    const buttons = el("p", {}, copyButton(hex, "Copy as hex"));
    if (total > HEX_SHOWN) {
      const all = el("button", { type: "button" }, `Show all ${total} octets`);
      all.addEventListener("click", () => { draw(total); all.remove(); });
      buttons.append(" ", all);
    }
    return [pre, buttons];
  });
  view.light = (segment, on) => {
    if (on) lit.add(segment);
    else lit.delete(segment);
    paint();
  };
  return view;
}

function hexRows(hex, parts, limit) {
  const width = byId("panel").clientWidth < 560 ? 8 : 16;
  const total = Math.min(hex.length / 2, limit);
  const nodes = [];
  for (let at = 0; at < total; at += width) {
    const end = Math.min(at + width, total);
    nodes.push(el("span", { class: "quiet" }, at.toString(16).padStart(4, "0"), "  "));
    nodes.push(...marked(at, end, parts, (i) => `${hex.slice(2 * i, 2 * i + 2)} `));
    nodes.push("   ".repeat(width - (end - at)), " ");
    nodes.push(...marked(at, end, parts, (i) => printable(parseInt(hex.slice(2 * i, 2 * i + 2), 16))), "\n");
  }
  if (total < hex.length / 2) nodes.push("...\n");
  return nodes;
}

const printable = (octet) => (octet >= 0x20 && octet < 0x7f ? String.fromCharCode(octet) : ".");

// The octets of one row, those of one payload in one span.
function marked(from, to, parts, show) {
  const nodes = [];
  let at = from;
  while (at < to) {
    const number = parts.findIndex((part) => at >= part.from && at < part.to);
    const next = parts.find((part) => part.from > at)?.from ?? to;
    const stop = Math.min(to, number >= 0 ? parts[number].to : next);
    const text = Array.from({ length: stop - at }, (_, i) => show(at + i)).join("");
    nodes.push(number < 0 ? text : el("span",
      { class: number % 2 ? "odd" : "even", "data-segment": number, title: parts[number].name }, text));
    at = stop;
  }
  return nodes;
}
