-- SPDX-License-Identifier: MIT
--
-- look: the first half of the page's script: the data, put in order, and the tables.
--
-- Slices of a strand that lie one behind the other are a row, sorted by time, so that what
-- is to be seen is found by halving.

return [==[
"use strict";
const $ = (id) => document.getElementById(id);
let data = null;
try { data = JSON.parse($("data").textContent); } catch (e) { data = null; }
if (!data || !data.strands || data.strands.length === 0) {
  $("facts").textContent = "This file has no events of conrun in it.";
  for (const e of document.querySelectorAll("#tools, #lanes, #detail, #legend, details")) e.hidden = true;
  throw new Error("no data");
}

const TASK = 0, WAIT = 1, IDLE = 2, SPAN = 3, CALL = 4;
const names = data.names;
const slices = data.slices.map(([strand, start, length, kind, name, args, future], i) =>
  ({ i, strand, start, end: start + length, kind, name: names[name], args, future, depth: 0 }));
const holds = data.holds.map(([strand, start, length, name, args]) =>
  ({ strand, start, end: start + length, name: names[name], args, hold: true }));
const strands = data.strands.map(([name, kind, pid, tid, first, last], i) =>
  ({ i, name, kind, pid, tid, first, last, rows: [], holds: [], points: [], all: [] }));
let last = 1;
for (const s of strands) if (s.last > last) last = s.last;

function put_in_rows() {
  for (const s of slices) strands[s.strand].all.push(s);
  for (const h of holds) strands[h.strand].holds.push(h);
  for (const [strand, time, name] of data.points) strands[strand].points.push({ time, name: names[name] });
  for (const strand of strands) {
    strand.all.sort((a, b) => a.start - b.start || b.end - a.end);
    strand.holds.sort((a, b) => a.start - b.start);
    const open = [];
    for (const s of strand.all) {
      while (open.length && open[open.length - 1].end <= s.start) open.pop();
      s.depth = open.length;
      s.outer = open.length ? open[open.length - 1] : null;
      open.push(s);
      if (s.end > strand.last) strand.last = s.end;
      (strand.rows[s.depth] = strand.rows[s.depth] || []).push(s);
    }
  }
}
put_in_rows();
const shown = strands.filter((s) => s.kind !== "keeper"); // that one only sees to the processes

function time_text(ns) {
  const a = Math.abs(ns);
  if (a >= 1e9) return (ns / 1e9).toPrecision(4) + " s";
  if (a >= 1e6) return (ns / 1e6).toPrecision(4) + " ms";
  if (a >= 1e3) return (ns / 1e3).toPrecision(4) + " \u00b5s";
  return Math.round(ns) + " ns";
}

// ---------------------------------------------------------------- the critical path
//
// Backwards from the last result that was taken: where a strand waited for a result, what
// mattered is the task that gave it; a task began when its worker had ended the one before it,
// or, if the worker was idle then, when it was posted.

const starts = new Map(), posts = new Map(), settled = new Map(), taken = new Map();
for (const [kind, id, strand, time, begins] of data.flows) {
  if (kind === 0) (begins ? posts : starts).set(+id, { strand, time });
  if (kind === 1) (begins ? settled : taken).set(+id, { strand, time });
}

function last_before(list, time) { // the last that begins at or before that time; -1: none does
  let low = 0, high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle].start <= time) low = middle + 1; else high = middle;
  }
  return low - 1;
}

function critical_path() {
  let at = null;
  for (const t of taken.values()) if (!at || t.time > at.time) at = t;
  const path = [];
  for (let steps = 0; at && steps < 100000; steps++) {
    const all = strands[at.strand].all;
    let task = null, wait = null;
    for (let i = last_before(all, at.time); i >= 0 && !task; i--) {
      const s = all[i];
      if (s.kind === TASK && s.end >= at.time && s.start < at.time) task = s;
      if (!wait && s.kind === WAIT && s.future && s.end <= at.time && settled.has(s.future)) {
        const by = settled.get(s.future);
        if (by.time >= s.start && by.time <= s.end && by.strand !== at.strand) wait = s;
      }
      if (wait && !task && s.start < wait.start && s.depth === 0) break;
    }
    if (wait && (!task || wait.start >= task.start)) {
      path.push({ strand: at.strand, start: wait.end, end: at.time });
      at = settled.get(wait.future);
      continue;
    }
    const begin = task ? task.start : strands[at.strand].first;
    path.push({ strand: at.strand, start: begin, end: at.time, task });
    if (!task) break;
    let before = null;
    for (let i = last_before(all, begin - 1); i >= 0 && !before; i--)
      if (all[i].kind === TASK && all[i].end <= begin) before = all[i];
    const post = posts.get(task.future);
    if (before && (!post || before.end >= post.time)) at = { strand: at.strand, time: before.end };
    else at = post && post.time < begin ? post : null;
  }
  return path.reverse();
}
const path = critical_path();

// ------------------------------------------------------------------------ the tables

function fill(id, titles, rows) {
  const table = $(id);
  const add = (row, cells, tag) => {
    for (const c of cells) {
      const cell = document.createElement(tag);
      if (c instanceof Node) { cell.className = "bar"; cell.append(c); } else cell.textContent = c;
      if (tag === "td" && c === cells.bad) cell.className = "bad";
      row.append(cell);
    }
  };
  add(table.createTHead().insertRow(), titles, "th");
  const body = table.createTBody();
  for (const cells of rows.slice(0, 200)) add(body.insertRow(), cells, "td");
  if (rows.length === 0) body.insertRow().insertCell().textContent = "none";
  if (rows.length > 200) body.insertRow().insertCell().textContent = "and " + (rows.length - 200) + " more";
}

function fill_tables() {
  const tasks = new Map(), locks = new Map();
  for (const s of slices) {
    if (s.kind !== TASK) continue;
    const key = s.name === s.args.function ? s.name : s.name + " (" + (s.args.function || "?") + ")";
    const t = tasks.get(key) || { n: 0, sum: 0, most: 0, failed: 0, elements: 0 };
    tasks.set(key, t);
    t.n++; t.sum += s.end - s.start; t.most = Math.max(t.most, s.end - s.start);
    t.elements += s.args.elements || 1;
    if (s.args.result !== "ok") t.failed++;
  }
  fill("tasks", ["function", "tasks", "elements", "time", "mean", "longest", "not ok"],
    [...tasks].sort((a, b) => b[1].sum - a[1].sum).map(([name, t]) => {
      const row = [name, t.n, t.elements, time_text(t.sum), time_text(t.sum / t.n), time_text(t.most), "" + t.failed];
      if (t.failed) row.bad = row[6];
      return row;
    }));
  const lock_of = (name) => {
    if (!locks.has(name)) locks.set(name, { waits: 0, waited: 0, longest: 0, holds: 0, held: 0, most: 0, at: "" });
    return locks.get(name);
  };
  for (const s of slices) {
    if (s.kind !== WAIT || !s.name.startsWith("acquire ")) continue;
    const l = lock_of(s.name.slice(8));
    l.waits++; l.waited += s.end - s.start; l.longest = Math.max(l.longest, s.end - s.start);
  }
  for (const h of holds) {
    if (!h.name.startsWith("lock ")) continue;
    const l = lock_of(h.name);
    l.holds++; l.held += h.end - h.start;
    if (h.end - h.start >= l.most) { l.most = h.end - h.start; l.at = h.args["taken at"] || ""; }
  }
  fill("locks", ["lock", "waited", "waits", "longest wait", "held", "holds", "longest hold", "taken at"],
    [...locks].sort((a, b) => b[1].waited - a[1].waited || b[1].held - a[1].held).map(([name, l]) =>
      [name, time_text(l.waited), l.waits, time_text(l.longest), time_text(l.held), l.holds, time_text(l.most), l.at]));
  fill("strands", ["strand", "kind", "pid", "busy", "waiting", "idle", "share", "tasks"], shown.map((s) => {
    let waiting = 0, idle = 0, n = 0;
    for (const x of s.all) {
      if (x.kind === WAIT && !(x.outer && x.outer.kind === WAIT)) waiting += x.end - x.start;
      if (x.kind === IDLE) idle += x.end - x.start;
      if (x.kind === TASK) n++;
    }
    for (const x of s.all) // a task within a wait of the same strand is work
      if (x.kind === TASK && x.outer && x.outer.kind === WAIT) waiting -= x.end - x.start;
    const life = Math.max(1, s.last - s.first), busy = Math.max(0, life - waiting - idle);
    const bar = document.createElement("div");
    for (const [part, colour] of [[busy, "task"], [waiting, "wait"], [idle, "idle"]]) {
      const piece = document.createElement("span");
      piece.style.cssText = "background:var(--" + colour + ");width:" + 100 * part / life + "%";
      bar.append(piece);
    }
    bar.title = [busy, waiting, idle].map((x) => Math.round(100 * x / life) + " %").join(" busy, waiting, idle ");
    return [s.name, s.kind, s.pid, time_text(busy), time_text(waiting), time_text(idle), bar, n];
  }));
}
fill_tables();
]==]
