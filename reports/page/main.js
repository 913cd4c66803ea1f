// Start, keys, links into the page, light and dark.

function drawAbout() {
  const peers = [...new Set(data.runs.flatMap((run) => run.peers.map((p) => `${p.name} ${p.version}`.trim())))];
  const started = data.runs.map((run) => run.started.replace("T", " ").replace("Z", " UTC")).filter(Boolean).sort();
  const summary = [peers.slice(0, 3).join(", "), peers.length > 3 && `and ${peers.length - 3} more`, started[0]];
  byId("about").querySelector("summary").textContent = summary.filter(Boolean).join(" · ") || "no run facts";
  byId("about").querySelector("div").append(...data.runs.map(runFacts));
  const problems = data.runs.flatMap((run) => run.problems.map((p) => `${run.name}: ${p}`));
  if (problems.length) {
    byId("problems").hidden = false;
    byId("problems").append(el("b", {}, "Incomplete. "), el("ul", {}, problems.map((p) => el("li", {}, p))));
  }
}

function runFacts(run) {
  const facts = [["run", run.name], ["started", run.started], ["finished", run.finished || "not finished"],
    ["ikelab", run.ikelab], ["topology", run.topology], ["kernel", run.kernel], ["seed", run.seed], ["planted fault", run.fault],
    ["command", run.command],
    ...run.peers.map((p) => [p.name, `${p.version} ${p.capabilities.join(", ")}`.trim()])];
  return el("dl", { class: "facts" }, facts.filter(([, value]) => value !== null && value !== "")
    .map(([name, value]) => [el("dt", {}, name), el("dd", {}, String(value))]));
}

const dark = () => (document.documentElement.style.colorScheme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";

function setTheme(theme) {
  document.documentElement.style.colorScheme = theme;
  byId("theme").textContent = dark() ? "Light" : "Dark";
}

function toggleTheme() {
  const theme = dark() ? "light" : "dark";
  setTheme(theme);
  try { localStorage.setItem("ikelab-theme", theme); } catch { /* storage may be forbidden */ }
}

function storedTheme() {
  try { return localStorage.getItem("ikelab-theme") ?? ""; } catch { return ""; }
}

// #case, #case/column or #case/column/variant
function follow() {
  const [slug, place, variant] = location.hash.slice(1).split("/").map(decode);
  if (!slug) return;
  showView(slug);
  const hit = (line) => line.row.slug === slug || line.row.case === slug;
  if (lines.some((line) => hit(line) && line.tr.hidden) || !columns.every(columnShown)) clearFilters();
  const line = lines.find(hit);
  if (!line) return;
  const worst = VERDICTS.map((v) => line.cells.find((td) => td.cell?.verdict === v)).find(Boolean);
  const td = line.cells.find((cell) => cell.cell && cell.column.slug === place) ?? worst;
  const chosen = /^\d+$/.test(variant ?? "") ? Number(variant) : null;
  if (td && (td !== open.td || (chosen !== null && chosen !== open.variant))) openCell(td, chosen);
}

function decode(text) {
  try { return decodeURIComponent(text); } catch { return text; }
}

function step(by) {
  const visible = lines.filter((line) => !line.tr.hidden);
  const from = open.td ?? current;
  if (!from) return;
  let at = visible.findIndex((line) => line.tr === from.parentNode);
  for (at += by; at >= 0 && at < visible.length; at += by) {
    const td = visible[at].cells[shownColumns.indexOf(from.column)];
    if (td?.cell) { openCell(td); return; }
  }
}

const MOVES = {
  ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1],
  PageDown: [12, 0], PageUp: [-12, 0], Home: [0, -Infinity], End: [0, Infinity],
};

function keyInTable(event) {
  const { key } = event;
  if (key === "Enter" || key === " ") openCell(current);
  else if ((key === "Home" || key === "End") && event.ctrlKey) move(key === "Home" ? -Infinity : Infinity, 0);
  else if (MOVES[key]) move(...MOVES[key]);
  else return;
  event.preventDefault();
}

const KEYS = {
  "/": () => { byId("search").focus(); byId("search").select(); },
  n: () => lookAt(1), p: () => lookAt(-1), j: () => step(1), k: () => step(-1),
  r: () => { if (asks.length) toggleView(); }, t: toggleTheme, "?": () => byId("help").showModal(),
};

function lookAt(by) {
  const td = nextUnexpected(by);
  if (!td) return;
  if (panel.hidden) focusCell(td);
  else openCell(td);
}

function keyOnPage(event) {
  if (event.ctrlKey || event.altKey || event.metaKey || byId("help").open) return;
  const typing = event.target === byId("search");
  if (event.key === "Escape") {
    if (!typing) closePanel();
    else if (byId("search").value) search("");
    else move(0, 0);
  } else if (typing && (event.key === "Enter" || event.key === "ArrowDown")) move(0, 0);
  else if (!typing && KEYS[event.key]) KEYS[event.key]();
  else return;
  event.preventDefault();
}

function search(text) {
  if (byId("search").value !== text) byId("search").value = text;
  filter.words = text.toLowerCase().split(/\s+/).filter(Boolean);
  refresh();
}

function listen() {
  byId("search").addEventListener("input", (event) => search(event.target.value));
  byId("theme").addEventListener("click", toggleTheme);
  byId("view").addEventListener("click", toggleView);
  byId("help-button").addEventListener("click", KEYS["?"]);
  table.addEventListener("keydown", keyInTable);
  table.addEventListener("click", (event) => {
    const td = event.target.closest("td[role=gridcell]");
    if (td) { focusCell(td); openCell(td); }
  });
  table.addEventListener("focusin", (event) => {
    const td = event.target.closest("td[role=gridcell]");
    if (td && td !== current) focusCell(td, { focus: false });
  });
  document.addEventListener("keydown", keyOnPage);
  addEventListener("hashchange", follow);
  addEventListener("resize", () => { fit(); panel.querySelector(".ladder")?.draw(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => setTheme(storedTheme()));
}

setTheme(storedTheme());
if (innerWidth < 700) byId("filters").open = false;
drawAbout();
byId("view").hidden = !asks.length;
drawChips();
refresh();
listen();
follow();
document.documentElement.dataset.ready = "yes";
