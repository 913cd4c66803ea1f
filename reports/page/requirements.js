// The other way to look at a run: rows are what the RFCs ask for, and a cell has the gravest verdict
// of the cases that hold the peer to it. Its rows are made when they are first looked at.

const asks = data.requirements ?? [];
const rules = rows;
let asking = false;
let asked = null;
let owners = null; // the rule of each result

function ruleOf(number) {
  if (!owners) {
    owners = [];
    for (const row of rules) for (const cell of row.cells.values()) for (const n of cell.results) owners[n] = row;
  }
  return owners[number];
}

function askedRows() {
  const byCase = new Map();
  for (const row of rules) byCase.set(row.case, [...(byCase.get(row.case) ?? []), row]);
  return asks.map((ask, number) => {
    const cells = new Map();
    for (const row of ask.cases.flatMap((name) => byCase.get(name) ?? [])) {
      for (const [column, cell] of row.cells) join(cells, column, cell);
    }
    const untold = ask.cases.length ? "" : `No case (${ask.seen}): ${ask.why}.`;
    return {
      slug: ask.id, case: ask.id, title: ask.text, doc: `${ask.level}, ${ask.who}: ${ask.text}`, function: "",
      group: ask.group, rfc: [ask.rfc], level: ask.level, who: ask.who, cases: ask.cases,
      note: untold || `${ask.who}: ${ask.cases.join(", ")}`, number, cells,
    };
  });
}

function join(cells, column, cell) {
  const known = cells.get(column) ?? { column, results: [], verdict: cell.verdict, flaky: false };
  known.results.push(...cell.results);
  known.verdict = VERDICTS.find((verdict) => verdict === known.verdict || verdict === cell.verdict);
  known.flaky ||= cell.flaky;
  cells.set(column, known);
}

function setView(on) {
  closePanel();
  asking = on;
  asked ??= askedRows();
  rows = on ? asked : rules;
  lines = [];
  byId("view").textContent = on ? "Rules" : "Requirements";
  table.setAttribute("aria-label", on ? "Requirements by peer and role" : "Rules by peer and role");
  drawChips();
  clearFilters();
}

function toggleView() {
  setView(!asking);
  history.replaceState(null, "", location.pathname + location.search + (asking ? "#requirements" : ""));
  byId("main").scrollTop = 0;
}

// A link into the page opens the view that has what it names.
function showView(slug) {
  const there = slug === "requirements" || asks.some((ask) => ask.id === slug);
  if (asks.length && there !== asking && (there || rules.some((row) => row.slug === slug || row.case === slug))) {
    setView(there);
  }
}
