// The conversation as a ladder: two lifelines, one arrow a message, drawn as SVG.

const LADDER_SHOWN = 200;
const CHARACTER = 6.7; // width of one character of the ladder's monospaced text

function ladder(detail, select) {
  const holder = el("div", { class: "ladder" });
  const draw = (limit) => {
    const width = Math.max(300, holder.clientWidth || byId("panel").clientWidth - 32);
    const steps = detail.steps.slice(0, limit);
    const rest = detail.steps.length - steps.length;
    holder.replaceChildren(picture(detail, steps, width, select));
    if (rest > 0) {
      const more = el("button", { type: "button" }, `Draw ${rest} more messages`);
      more.addEventListener("click", () => draw(detail.steps.length));
      holder.append(more);
    }
  };
  holder.draw = () => draw(LADDER_SHOWN);
  return holder;
}

function picture(detail, steps, width, select) {
  const left = width < 480 ? 58 : 92;
  const right = width - (width < 480 ? 40 : 64);
  const start = steps.find((step) => typeof step.time === "number")?.time ?? 0;
  const arrows = [];
  let y = 44;
  const several = new Set(steps.map((step) => step.spi_i)).size > 1;
  for (const [number, step] of steps.entries()) {
    if (several && step.spi_i !== steps[number - 1]?.spi_i) {
      arrows.push(svg("text", { x: (left + right) / 2, y: y + 12, "text-anchor": "middle", class: "sa" },
        `IKE SA with SPIi ${String(step.spi_i).slice(0, 8)}`));
      y += 18;
    }
    const arrow = arrowFor(step, number, { left, right, y, width, start, select });
    arrows.push(arrow.node);
    y += arrow.height;
  }
  const lifeline = (x) => svg("line", { x1: x, x2: x, y1: 30, y2: y, class: "life" });
  const end = (x, anchor, name, role) => svg("g", { "text-anchor": anchor },
    svg("text", { x, y: 12, class: "who" }, clip(name, width / 2.4)),
    svg("text", { x, y: 25, class: "time" }, role));
  const other = { initiator: "responder", responder: "initiator" }[detail.role] ?? "";
  return svg("svg", { viewBox: `0 0 ${width} ${y + 6}`, width, height: y + 6, role: "group",
    "aria-label": `Conversation of ${plural(steps.length, "message")}` },
  lifeline(left), lifeline(right),
  end(left - 22, "start", "ikelab", other),
  end(width - 4, "end", detail.peer, detail.role), arrows);
}

function arrowFor(step, number, place) {
  const { left, right, y, start, select } = place;
  const broken = (step.violations ?? []).length > 0;
  const fromUs = step.direction !== "<--";
  const [tail, head] = fromUs ? [left, right] : [right, left];
  const toward = fromUs ? -7 : 7;
  const line = y + 32;
  const room = right - left - 16;
  const extra = [step.note, ...(step.violations ?? []).map((v) => v.rule)].filter(Boolean);
  const kind = step.response ? "response" : "request";
  const title = `${step.exchange ?? "?"} ${step.message_id ?? "?"} ${kind}`;
  const node = svg("g", { class: `step${broken ? " broken" : ""}`, tabindex: 0, role: "button",
    "data-step": number, "aria-label": `Message ${number}: ${title}, ${names(step)}` },
  svg("title", {}, step.text ?? title),
  svg("rect", { x: 0, y: y - 2, width: place.width, height: 42 + 14 * extra.length, class: "hit" }),
  svg("text", { x: 2, y: line + 4, class: "time" }, elapsed(step.time, start)),
  svg("text", { x: left + 8, y: y + 12, class: "exchange" }, clip(title, room)),
  svg("text", { x: left + 8, y: y + 26, class: "names" }, fitted(step, room)),
  svg("line", { x1: tail, x2: head, y1: line, y2: line,
    class: step.encrypted && !step.decrypted ? "wire closed" : "wire" }),
  svg("path", { d: `M${head},${line} l${toward},-4 v8 z`, class: "tip" }),
  extra.map((text, i) => svg("text", { x: left + 8, y: line + 14 + 14 * i,
    class: i === 0 && step.note ? "note" : "rule-name" }, clip(text, room))));
  node.addEventListener("click", () => select(number));
  node.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    event.stopPropagation();
    select(number);
  });
  return { node, height: 44 + 14 * extra.length };
}

const fullName = (payload) => payload.text || payload.name || "?";

// Without what stands in brackets, but a notify keeps its type: that is its name.
const shortName = (payload) =>
  (payload.name === "N" ? fullName(payload) : fullName(payload).replace(/\(.*\)$/, ""));

function names(step, name = fullName) {
  const inner = `SK {${(step.inner ?? []).map(name).join(", ")}}`;
  const outer = (step.payloads ?? []).map((p) => (step.inner && ENCRYPTED.has(p.type) ? inner : name(p)));
  return outer.join(", ") || "no payloads";
}

function fitted(step, room) {
  const full = names(step);
  return full.length * CHARACTER <= room ? full : clip(names(step, shortName), room);
}

function elapsed(time, start) {
  if (typeof time !== "number") return "";
  const seconds = time - start;
  return seconds < 10 ? `${(seconds * 1000).toFixed(seconds < 0.1 ? 1 : 0)} ms` : `${seconds.toFixed(1)} s`;
}

function clip(text, room) {
  const most = Math.max(4, Math.floor(room / CHARACTER));
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}
