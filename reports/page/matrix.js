// The table: built once for a set of columns, rows shown and hidden, one cell in the tab order.

const table = byId("matrix");
let shownColumns = [];
let lines = [];      // {row, tr, cells: [td]} for every row, in order
let groups = [];     // {tr, lines}
let current = null;  // the td that has the focus when the table has it

function refresh() {
  const next = columns.filter(columnShown);
  if (next.map((c) => c.number).join() !== shownColumns.map((c) => c.number).join() || !lines.length) {
    shownColumns = next;
    drawTable();
  }
  let rowCount = 0;
  let cellCount = 0;
  for (const line of lines) {
    const shown = rowShown(line.row);
    line.tr.hidden = !shown;
    if (!shown) continue;
    rowCount += 1;
    cellCount += visibleCells(line.row).length;
    for (const td of line.cells) td.classList.toggle("dim", Boolean(td.cell) && !cellMatches(td.cell));
  }
  for (const group of groups) group.tr.hidden = group.lines.every((line) => line.tr.hidden);
  syncChips();
  const all = rows.reduce((sum, row) => sum + row.cells.size, 0);
  const each = plural(rows.length, asking ? "requirement" : "rule");
  status.textContent = filtering()
    ? `${rowCount} of ${each}, ${cellCount} of ${plural(all, "cell")}`
    : `${each}, ${plural(all, "cell")}`;
  if (!current || !current.isConnected || current.parentNode.hidden) settle();
}

function drawTable() {
  lines = [];
  groups = [];
  const body = document.createDocumentFragment();
  let group = null;
  for (const row of rows) {
    if (!group || group.name !== row.group) {
      group = { name: row.group, lines: [], tr: el("tr", { class: "group" },
        el("th", { colspan: shownColumns.length + 2, scope: "rowgroup" }, el("span", {}, row.group))) };
      groups.push(group);
      body.append(group.tr);
    }
    const line = drawLine(row);
    lines.push(line);
    group.lines.push(line);
    body.append(line.tr);
  }
  fit();
  table.replaceChildren(el("thead", {}, drawHead()), el("tbody", {}, body));
  current = null;
}

// The reasons stand beside the verdicts while there is room for them.
function fit() {
  const room = byId("main").clientWidth - 300 - shownColumns.length * 72;
  table.classList.toggle("narrow", room < 260);
}

function drawHead() {
  const peers = el("tr", {}, el("th", { class: "rule", rowspan: 2, scope: "col" },
    asking ? "Requirement" : "Rule"));
  const roles = el("tr", { class: "roles" });
  const key = (c) => `${c.run} ${c.peer}`;
  const manyRuns = data.runs.length > 1;
  const crowded = shownColumns.length > 8;
  const manyPlaces = new Set(columns.map((c) => c.topology)).size > 1;
  shownColumns.forEach((column, i) => {
    if (i === 0 || key(shownColumns[i - 1]) !== key(column)) {
      const span = shownColumns.filter((c) => key(c) === key(column)).length;
      peers.append(el("th", { colspan: span, scope: "colgroup", class: "peer edge" }, column.peer,
        column.version && el("small", {}, column.version),
        manyRuns && el("small", { class: "run", title: data.runs[column.run].name },
          data.runs[column.run].started || data.runs[column.run].name)));
    }
    const edge = i === 0 || key(shownColumns[i - 1]) !== key(column);
    roles.append(el("th", { scope: "col", class: edge ? "edge" : "", title: `peer is ${column.role}` },
      el("span", { class: "role" }, crowded ? `${column.role.slice(0, 4)}.` : column.role), manyPlaces && el("small", {}, column.topology), tally(column)));
  });
  peers.append(el("th", { class: "why", rowspan: 2, scope: "col" }, "What to look at"));
  return [peers, roles];
}

// A bar of the column's verdicts; the numbers are in its title.
function tally(column) {
  const counts = {};
  for (const row of rows) {
    const cell = row.cells.get(column.number);
    for (const verdict of cell ? counted(row, cell) : []) {
      counts[verdict] = (counts[verdict] ?? 0) + 1;
    }
  }
  const present = VERDICTS.filter((verdict) => counts[verdict]);
  return el("span", { class: "tally", title: present.map((v) => `${v} ${counts[v]}`).join(", ") },
    present.map((v) => el("i", { class: `v-${v}`, style: `flex-grow:${counts[v]}` })));
}

function drawLine(row) {
  const tr = el("tr", {},
    el("th", { scope: "row", class: "rule" },
      row.case && el("code", {}, row.case),
      row.level && el("span", { class: "level" }, row.level),
      el("span", { class: "title", title: row.doc || row.title }, row.title),
      row.note && el("small", { class: "note" }, row.note)));
  const cells = shownColumns.map((column, i) => {
    const td = drawCell(row, column);
    const before = shownColumns[i - 1];
    if (!before || before.peer !== column.peer || before.run !== column.run) td.classList.add("edge");
    tr.append(td);
    return td;
  });
  tr.append(el("td", { class: "why" }, el("span", {}, why(row))));
  return { row, tr, cells };
}

function drawCell(row, column) {
  const cell = row.cells.get(column.number);
  const where = `${row.case || row.title}, ${column.peer} as ${column.role}`;
  const td = el("td", { role: "gridcell", tabindex: -1 });
  td.row = row;
  td.column = column;
  td.cell = cell;
  if (!cell) {
    td.className = "none";
    td.setAttribute("aria-label", `${where}: not run`);
    return td;
  }
  td.className = `v-${cell.verdict}`;
  const same = cell.results.filter((n) => data.results[n].verdict === cell.verdict).length;
  const total = cell.results.length;
  const count = total > 1 && (same === total ? `×${total}` : `${same}/${total}`);
  td.append(el("span", {}, SHORT[cell.verdict]), count ? el("small", {}, count) : "",
    cell.flaky ? el("small", { class: "flaky", title: "the same test came to different verdicts" }, "flaky") : "");
  td.setAttribute("aria-label",
    `${where}: ${cell.verdict}${count ? ` ${count}` : ""}${cell.flaky ? ", flaky" : ""}`);
  return td;
}

function why(row) {
  for (const cell of visibleCells(row)) {
    for (const n of cell.results) {
      const { verdict, reason } = data.results[n];
      if (verdict !== "PASS" && reason) return reason;
    }
  }
  return "";
}

// Put the one tab stop of the table where something can be seen.
function settle() {
  const line = lines.find((l) => !l.tr.hidden);
  if (current) current.tabIndex = -1;
  current = line?.cells[0] ?? null;
  if (current) current.tabIndex = 0;
}

function focusCell(td, { focus = true } = {}) {
  if (!td) return;
  if (current) current.tabIndex = -1;
  current = td;
  td.tabIndex = 0;
  if (focus) td.focus({ preventScroll: true });
  reveal(td);
}

// Scroll so that neither the head nor the sticky first column hides the cell.
function reveal(td) {
  const box = byId("main");
  const head = table.tHead.offsetHeight;
  const side = td.parentNode.firstChild.offsetWidth;
  const at = td.getBoundingClientRect();
  const frame = box.getBoundingClientRect();
  if (at.top < frame.top + head) box.scrollTop -= frame.top + head - at.top;
  else if (at.bottom > frame.top + box.clientHeight) box.scrollTop += at.bottom - frame.top - box.clientHeight;
  if (at.left < frame.left + side) box.scrollLeft -= frame.left + side - at.left;
  else if (at.right > frame.left + box.clientWidth) box.scrollLeft += at.right - frame.left - box.clientWidth;
}

function move(down, right) {
  const visible = lines.filter((line) => !line.tr.hidden);
  if (!current || !visible.length) return;
  const at = visible.findIndex((line) => line.tr === current.parentNode);
  const clamp = (n, max) => Math.max(0, Math.min(max, n));
  const line = visible[clamp(at + down, visible.length - 1)];
  const column = shownColumns.indexOf(current.column);
  focusCell(line.cells[clamp(column + right, line.cells.length - 1)]);
}

// The next or previous cell that somebody has to look at, in reading order, round the end.
function nextUnexpected(step) {
  const all = lines.filter((line) => !line.tr.hidden).flatMap((line) => line.cells);
  const at = all.indexOf(current);
  for (let i = 1; i <= all.length; i += 1) {
    const td = all[(at + step * i + all.length * 2) % all.length];
    if (td.cell && UNEXPECTED.has(td.cell.verdict)) return td;
  }
  return null;
}
