// The panel: one result in full. Nothing of it is unpacked before its cell is opened.

const panel = byId("panel");
const open = { td: null, variant: 0, urls: [], turn: 0 };

// The variant that gave the cell its verdict.
const gravest = (cell) => cell.results.findIndex((n) => data.results[n].verdict === cell.verdict);

async function openCell(td, variant = null, { focus = true } = {}) {
  if (!td?.cell) return;
  open.turn += 1;
  const { turn } = open;
  open.td?.classList.remove("open");
  open.td = td;
  open.variant = Math.min(variant ?? gravest(td.cell), td.cell.results.length - 1);
  td.classList.add("open");
  focusCell(td, { focus: false });
  history.replaceState(null, "", linkTo(td, open.variant));
  const detail = await unpack(td.cell.results[open.variant]).catch(nothing);
  if (turn !== open.turn) return; // another cell was opened meanwhile
  dropFiles();
  panel.hidden = false;
  document.body.classList.add("split");
  panel.replaceChildren(panelHead(td), panelBody(td, detail));
  panel.style.setProperty("--head", `${panel.firstChild.offsetHeight + 4}px`);
  panel.scrollTop = 0;
  panel.querySelector(".ladder")?.draw();
  panel.dataset.ready = td.cell.results[open.variant];
  reveal(td);
  if (focus) panel.querySelector("h2").focus({ preventScroll: true });
}

// What is shown of a result whose script does not lie beside the page any more.
const nothing = (error) => ({
  reason: error.message, doc: "", details: "", plan: "", id: "", more: 0,
  rfc: [], violations: [], steps: [], problems: [], files: [], commands: [],
});

function closePanel() {
  if (panel.hidden) return false;
  open.turn += 1;
  panel.hidden = true;
  delete panel.dataset.ready;
  panel.replaceChildren();
  document.body.classList.remove("split");
  dropFiles();
  history.replaceState(null, "", location.pathname + location.search + (asking ? "#requirements" : ""));
  open.td?.classList.remove("open");
  focusCell(open.td);
  open.td = null;
  return true;
}

function dropFiles() {
  open.urls.forEach((url) => URL.revokeObjectURL(url));
  open.urls = [];
}

const linkTo = (td, variant) =>
  `#${[td.row.slug, td.column.slug, ...(td.cell.results.length > 1 ? [variant] : [])].map(encodeURIComponent).join("/")}`;

function panelHead(td) {
  const { row, column, cell } = td;
  const result = data.results[cell.results[open.variant]];
  const button = (label, title, act) => {
    const made = el("button", { type: "button", title, "aria-label": title }, label);
    made.addEventListener("click", act);
    return made;
  };
  const head = el("header", {},
    el("div", { class: "bar" },
      el("b", { class: `badge v-${result.verdict}`, title: MEANING[result.verdict] }, result.verdict),
      el("h2", { tabindex: -1 }, row.case && el("code", {}, row.case), " ", row.title),
      button("‹", "Previous row (k)", () => step(-1)), button("›", "Next row (j)", () => step(1)),
      button("✕", "Close (Esc)", closePanel)),
    el("p", { class: "quiet" }, [`${column.peer} ${column.version}`.trim(), `peer is ${column.role}`,
      column.topology, row.level, `${result.seconds} s`, data.runs[column.run].name]
      .filter(Boolean).join(" · "), " ", copyButton(() => location.href, "Copy link")));
  if (cell.results.length > 1) head.append(variantChips(td));
  return head;
}

function variantChips(td) {
  return el("div", { class: "chips", role: "group", "aria-label": "Variants" },
    td.cell.results.map((number, i) => {
      const { verdict, variant } = data.results[number];
      const chosen = el("button", { type: "button", class: `chip v-${verdict}`,
        "aria-pressed": String(i === open.variant) },
      [SHORT[verdict], td.row.who && ruleOf(number)?.case, variant || `#${i + 1}`].filter(Boolean).join(" "));
      chosen.addEventListener("click", () => openCell(td, i));
      return chosen;
    }));
}

function panelBody(td, detail) {
  const verdict = data.results[td.cell.results[open.variant]].verdict;
  return el("div", { class: "sections" },
    el("div", { class: `callout v-${verdict}` }, detail.reason || MEANING[verdict]),
    detail.details && el("pre", {}, detail.details),
    ruleSection(td.row, detail), violationSection(detail),
    detail.plan && section("Deviations in this test", el("pre", {}, detail.plan.trimEnd())),
    conversationSection(detail), fileSection("Peer configuration", "peer.conf", detail),
    fileSection("Peer log", "peer.log", detail), downloadSection(detail), commandSection(detail));
}

const section = (title, ...content) => el("section", {}, el("h3", {}, title), content);

function ruleSection(row, detail) {
  return section("Rule",
    el("p", {}, detail.doc || row.title),
    el("p", {}, row.level && el("span", { class: "level" }, row.level), " ",
      detail.rfc.map((rfc) => [rfcLinks(rfc), " "])),
    el("p", { class: "quiet id" }, detail.id));
}

function rfcLinks(rfc) {
  const link = (entry) => el("a", { href: entry.url, target: "_blank", rel: "noreferrer" }, entry.name);
  const sections = rfc.sections.filter((s) => s.name).flatMap((s, i) => [i ? ", " : " ", link(s)]);
  return el("span", { class: "rfc" }, link(rfc), sections);
}

function violationSection(detail) {
  if (!detail.violations.length) return null;
  return section(plural(detail.violations.length, "violation"), el("ul", { class: "violations" },
    detail.violations.map((v) => {
      const at = stepOf(detail.steps, v);
      const show = at >= 0 && el("button", { type: "button" }, `message ${at}`);
      if (show) show.addEventListener("click", () => selectStep(at));
      return el("li", {}, el("b", {}, v.rule), " ", rfcLinks(v.rfc), " ",
        el("span", { class: "level" }, v.level), " ",
        show || (v.frame !== null && el("span", { class: "quiet" }, `frame ${v.frame} `)),
        el("p", {}, v.message));
    })));
}

// The message that a violation was found in: the same sentence, else the same rule.
function stepOf(steps, violation) {
  const find = (same) => steps.findIndex((s) => (s.violations ?? []).some(same));
  const exact = find((own) => own.rule === violation.rule && own.message === violation.message);
  return exact >= 0 ? exact : find((own) => own.rule === violation.rule);
}

function conversationSection(detail) {
  const notes = detail.problems.map((p) => el("p", { class: "damage" }, p));
  if (!detail.steps.length) {
    return section("Conversation", notes, el("p", { class: "quiet" }, "no messages were recorded"));
  }
  const list = el("div", { class: "messages" }, detail.steps.map(messageRow));
  if (detail.more) list.append(el("p", { class: "quiet" }, `${detail.more} more in transcript.jsonl`));
  const text = () => detail.steps.map(rfcNotation).join("\n");
  return section("Conversation", notes, ladder(detail, selectStep),
    el("div", { class: "bar" }, el("h4", {}, "In RFC notation"), copyButton(text)), list);
}

const rfcNotation = (step) => `#${step.message_id ?? "?"} ${step.direction ?? "---"} ${step.text ?? ""}`;

function messageRow(step, number) {
  const broken = step.violations ?? [];
  const summary = [el("code", {}, rfcNotation(step)),
    step.note && el("span", { class: "note" }, step.note),
    broken.map((v) => el("span", { class: "broken-rule" }, `${v.rule}: ${v.message}`))];
  const kind = step.direction === "<--" ? "theirs" : "ours";
  return lazy({ class: `message ${kind}${broken.length ? " broken" : ""}`, "data-message": number },
    summary.flat(), () => messageBody(step));
}

function selectStep(number) {
  for (const g of panel.querySelectorAll(".step.chosen")) g.classList.remove("chosen");
  panel.querySelector(`.step[data-step="${number}"]`)?.classList.add("chosen");
  const row = panel.querySelector(`.message[data-message="${number}"]`);
  if (!row) return;
  row.build();
  row.scrollIntoView({ block: "start" });
  row.querySelector("summary").focus({ preventScroll: true });
}

function fileSection(title, name, detail) {
  const file = detail.files.find((f) => f.name === name && f.text !== undefined);
  if (!file) return null;
  const size = file.text.split("\n").length - (file.text.endsWith("\n") ? 1 : 0);
  return el("section", {}, lazy({ class: "file" }, el("h3", {}, `${title} (${plural(size, "line")})`), () => [
    file.cut && el("p", { class: "damage" }, `the first ${file.cut} characters are left out here`),
    el("pre", { tabindex: 0 }, file.text), copyButton(file.text)].filter(Boolean)));
}

function downloadSection(detail) {
  if (!detail.files.length) return null;
  return section("Files", el("ul", { class: "files" }, detail.files.map((file) => {
    if (file.damage) return el("li", {}, `${file.name}: ${file.damage}`);
    const whole = file.base64 !== undefined || (file.text !== undefined && !file.cut);
    const url = whole ? blobUrl(file) : file.href;
    return el("li", {}, el("a", { href: url, download: whole && file.name.replaceAll("/", "_") }, file.name),
      el("span", { class: "quiet" }, ` ${plural(file.size, "octet")}${whole ? "" : ", in the run folder"}`));
  })));
}

function blobUrl(file) {
  const content = file.base64 === undefined ? file.text : fromBase64(file.base64);
  const url = URL.createObjectURL(new Blob([content], { type: "application/octet-stream" }));
  open.urls.push(url);
  return url;
}

function commandSection(detail) {
  return section("Commands", detail.commands.map(({ name, command }) =>
    el("div", { class: "command" }, el("span", {}, name), el("pre", {}, command), copyButton(command))));
}
