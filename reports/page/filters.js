// What is shown: one set per chip group (empty means all), the words searched for, "differs".

const columns = data.columns.map((column, number) => ({ ...column, number }));
let rows = data.rows.map((row, number) => ({
  ...row,
  number,
  cells: new Map(row.cells.map((cell) => [cell.column, cell])),
}));

const filter = {
  verdict: new Set(), run: new Set(), peer: new Set(), role: new Set(), topology: new Set(),
  level: new Set(), rfc: new Set(), differs: false, untested: false, words: [],
};

const rfcOf = (reference) => reference.split(" ").slice(0, 2).join(" ");
const wanted = (set, value) => set.size === 0 || set.has(value);

const columnShown = (column) =>
  wanted(filter.run, data.runs[column.run].name) && wanted(filter.peer, column.peer) &&
  wanted(filter.role, column.role) && wanted(filter.topology, column.topology);

function haystack(row) {
  if (row.haystack === undefined) {
    const results = [...row.cells.values()].flatMap((cell) => cell.results.map((n) => data.results[n]));
    const parts = [row.case, row.title, row.doc, row.function, row.group, row.level, ...row.rfc,
      ...row.rfc.map((r) => r.replace("RFC ", "RFC")), row.who ?? "", row.note ?? "",
      ...results.flatMap((r) => [r.reason, r.variant, ...r.rules])];
    row.haystack = parts.join("\n").toLowerCase();
  }
  return row.haystack;
}

// Whether the row passes every filter but the one on verdicts, whose chips count what is left.
function rowCounted(row) {
  if (!wanted(filter.level, row.level)) return false;
  if (filter.rfc.size && !row.rfc.some((r) => filter.rfc.has(rfcOf(r)))) return false;
  if (!filter.words.every((word) => haystack(row).includes(word))) return false;
  if (filter.untested && row.cases?.length !== 0) return false;
  if (filter.differs) {
    const verdicts = new Set(visibleCells(row).map((cell) => cell.verdict));
    return verdicts.size > 1;
  }
  return true;
}

const visibleCells = (row) =>
  columns.filter(columnShown).map((c) => row.cells.get(c.number)).filter(Boolean);

const cellMatches = (cell) =>
  filter.verdict.size === 0 || cell.results.some((n) => filter.verdict.has(data.results[n].verdict));

// What nothing was run for is shown as long as nobody asks for a verdict.
const rowShown = (row) => rowCounted(row) &&
  ((row.who && filter.verdict.size === 0) || visibleCells(row).some(cellMatches));

// What a cell counts for: each of its results; of a requirement only the gravest.
const counted = (row, cell) => (row.who ? [cell.verdict] : cell.results.map((n) => data.results[n].verdict));

function verdictCounts() {
  const counts = Object.fromEntries(VERDICTS.map((verdict) => [verdict, 0]));
  for (const row of rows.filter(rowCounted)) {
    for (const cell of visibleCells(row)) {
      for (const verdict of counted(row, cell)) counts[verdict] += 1;
    }
  }
  return counts;
}

function chip(set, value, label, attributes = {}) {
  const button = el("button", { type: "button", class: "chip", "aria-pressed": "false", ...attributes }, label);
  button.addEventListener("click", () => {
    if (!set.delete(value)) set.add(value);
    refresh();
  });
  button.sync = () => button.setAttribute("aria-pressed", String(set.has(value)));
  return button;
}

const chips = [];
const status = byId("status");

function drawChips() {
  chips.length = 0;
  byId("verdicts").replaceChildren(status);
  byId("filters").querySelector("div").replaceChildren();
  drawVerdictChips();
  drawFilterChips();
}

function drawVerdictChips() {
  const holder = byId("verdicts");
  for (const verdict of VERDICTS) {
    const count = el("b", {}, "0");
    const button = chip(filter.verdict, verdict, [verdict, " ", count],
      { class: `chip v-${verdict}`, title: MEANING[verdict], "data-verdict": verdict });
    button.count = count;
    chips.push(button);
    holder.append(button);
  }
}

function drawFilterChips() {
  const holder = byId("filters").querySelector("div");
  const unique = (values) => [...new Set(values.filter(Boolean))];
  const groups = [
    ["Run", "run", unique(columns.map((c) => data.runs[c.run].name))],
    ["Peer", "peer", unique(columns.map((c) => c.peer))],
    ["Peer's role", "role", unique(columns.map((c) => c.role))],
    ["Topology", "topology", unique(columns.map((c) => c.topology))],
    ["Level", "level", unique(rows.map((r) => r.level))],
    ["RFC", "rfc", unique(rows.flatMap((r) => r.rfc.map(rfcOf))).sort()],
  ];
  for (const [label, key, values] of groups) {
    if (values.length < 2) continue;
    const group = values.map((value) => chip(filter[key], value, value, { "data-filter": key }));
    chips.push(...group);
    holder.append(el("div", { class: "chips", role: "group", "aria-label": label },
      el("span", {}, label), group));
  }
  const extra = byId("verdicts");
  if (columns.length > 1) {
    const differs = el("button", { type: "button", class: "chip", id: "differs",
      title: "Only rules on which the shown peers and roles differ" }, "differs between columns");
    differs.addEventListener("click", () => { filter.differs = !filter.differs; refresh(); });
    differs.sync = () => differs.setAttribute("aria-pressed", String(filter.differs));
    chips.push(differs);
    extra.append(differs);
  }
  if (asking) {
    const untested = el("button", { type: "button", class: "chip", id: "untested",
      title: "Only requirements that no case tests, with the reason why" }, "without a case");
    untested.addEventListener("click", () => { filter.untested = !filter.untested; refresh(); });
    untested.sync = () => untested.setAttribute("aria-pressed", String(filter.untested));
    chips.push(untested);
    extra.append(untested);
  }
  const clear = el("button", { type: "button", class: "chip", id: "clear" }, "show all");
  clear.addEventListener("click", clearFilters);
  clear.sync = () => { clear.disabled = !filtering(); };
  chips.push(clear);
  extra.append(clear, status);
  byId("filters").hidden = !holder.hasChildNodes();
}

const filterSets = () => Object.values(filter).filter((value) => value instanceof Set);

const filtering = () =>
  filter.differs || filter.untested || filter.words.length > 0 || filterSets().some((set) => set.size > 0);

function clearFilters() {
  filterSets().forEach((set) => set.clear());
  filter.differs = false;
  filter.untested = false;
  filter.words = [];
  byId("search").value = "";
  refresh();
}

function syncChips() {
  const counts = verdictCounts();
  for (const button of chips) {
    button.sync();
    if (button.count) {
      const count = counts[button.dataset.verdict];
      button.count.textContent = count;
      button.classList.toggle("zero", count === 0);
    }
  }
}
