-- SPDX-License-Identifier: MIT
--
-- draw: the second half of the page's script: the lanes, and what hands do with them.
--
-- A frame draws at most one thing for each pixel of a row: what lies behind it is jumped
-- over, so the time for a frame does not grow with the number of events.

return [==[
const canvas = $("canvas"), lanes = $("lanes"), pen = canvas.getContext("2d");
const ROW = 16, GAP = 6, AXIS = 20, CURVE = 30;
let left = 0, right = last, chosen = null, hovered = null, shows_path = false;
let found = [], words = "", finding = -1;
let gutter = 180, label = 0, width = 0, height = 0, total = 0, colours = {};

const curves = data.levels.map(([name, list]) => {
  const points = [];
  for (let i = 0; i < list.length; i += 2) points.push({ start: list[i], value: list[i + 1] || 0 });
  let most = 0;
  for (const p of points) if (p.value > most) most = p.value;
  const text = name === "shared memory" ? Math.round(most / 1024) + " KiB" : +most.toPrecision(4);
  return { name, points, most, text };
});

// ------------------------------------------------------------------------- the lay-out

function arrange() {
  const style = getComputedStyle(document.documentElement);
  for (const c of ["back", "text", "dim", "line", "lane", "task", "wait", "idle", "span", "call", "hold", "fail",
    "path", "mark", "on", "curve"]) colours[c] = style.getPropertyValue("--" + c).trim();
  width = lanes.clientWidth;
  gutter = width < 600 ? 0 : 180;
  label = gutter ? 0 : 15;
  let y = AXIS;
  for (const s of shown) {
    s.top = y;
    s.height = label + Math.max(1, Math.min(s.rows.length, 8)) * ROW + 4;
    y += s.height + GAP;
  }
  for (const c of curves) { c.top = y; c.height = CURVE + label; y += c.height + GAP; }
  total = y;
  const most = Math.round(window.innerHeight * 0.65) - 2;
  height = Math.min(total, most);
  lanes.style.height = height + 2 + "px";
  $("room").style.height = total - height + "px";
  const scale = window.devicePixelRatio || 1;
  canvas.style.height = height + "px";
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  draw_soon();
}

const x_of = (time) => gutter + (time - left) / (right - left) * (width - gutter);
const time_of = (x) => left + (x - gutter) / (width - gutter) * (right - left);

// -------------------------------------------------------------------------- the drawing

function colour_of(s) {
  if (s.kind === TASK) return s.args.result === "ok" ? colours.task : colours.fail;
  return [colours.task, colours.wait, colours.idle, colours.span, colours.call][s.kind];
}

function draw_row(row, y) {
  const pixel = (right - left) / (width - gutter);
  let i = Math.max(0, last_before(row, left));
  while (i < row.length && row[i].end < left) i++;
  while (i < row.length && row[i].start <= right) {
    const s = row[i];
    const a = Math.max(gutter, x_of(s.start)), b = Math.min(width, x_of(s.end)), w = Math.max(1, b - a);
    pen.globalAlpha = words && !s.found ? 0.18 : 1;
    pen.fillStyle = colour_of(s);
    pen.fillRect(a, y, w > 3 ? w - 0.5 : w, ROW - 2);
    if (s === chosen || s === hovered) {
      pen.strokeStyle = colours.mark;
      pen.lineWidth = s === chosen ? 2 : 1;
      pen.strokeRect(a, y, w, ROW - 2);
    }
    if (w > 34) {
      pen.fillStyle = s.kind === IDLE ? colours.dim : colours.on;
      pen.fillText(fit(s.name, w - 6), a + 3, y + ROW - 6);
    }
    if (w > 1) { i++; continue; }
    const next = last_before(row, s.start + pixel);
    i = next > i ? next : i + 1;
  }
  pen.globalAlpha = 1;
}

function fit(name, room) {
  const letters = Math.floor(room / 6.2);
  return name.length <= letters ? name : name.slice(0, Math.max(1, letters - 1)) + "\u2026";
}

function draw_holds(s, y) {
  const pixel = (right - left) / (width - gutter);
  let drawn = -1;
  pen.fillStyle = colours.hold;
  for (let i = 0; i < s.holds.length; i++) {
    const h = s.holds[i];
    if (h.start > right) break;
    if (h.end < left || h.end < drawn) continue;
    const a = Math.max(gutter, x_of(h.start)), b = Math.min(width, x_of(h.end));
    pen.fillRect(a, y, Math.max(1, b - a), 3);
    drawn = Math.max(h.end, h.start + pixel);
  }
}

function draw_points(s) {
  pen.fillStyle = colours.mark;
  let drawn = -1;
  for (const p of s.points) {
    if (p.time < left || p.time > right) continue;
    const x = x_of(p.time);
    if (x < drawn + 1) continue;
    drawn = x;
    pen.fillRect(x - 0.5, s.top + label, 1, s.height - label);
    pen.beginPath();
    pen.moveTo(x - 4, s.top + label); pen.lineTo(x + 4, s.top + label); pen.lineTo(x, s.top + label + 5);
    pen.fill();
  }
}

function draw_curve(c) {
  const bottom = c.top + c.height - 1, pixel = (right - left) / (width - gutter);
  pen.fillStyle = colours.curve;
  let i = Math.max(0, last_before(c.points, left));
  while (i < c.points.length && c.points[i].start <= right) {
    let next = Math.max(i + 1, last_before(c.points, c.points[i].start + pixel));
    let value = c.points[i].value;
    for (let k = i + 1; k < next && k < i + 50; k++) value = Math.max(value, c.points[k].value);
    const a = Math.round(Math.max(gutter, x_of(c.points[i].start)));
    const b = Math.round(next < c.points.length ? Math.min(width, x_of(c.points[next].start)) : width);
    const h = c.most > 0 ? Math.max(value > 0 ? 1 : 0, value / c.most * (CURVE - 6)) : 0;
    pen.fillRect(a, bottom - h, Math.max(1, b - a), h);
    i = next;
  }
}

function draw_axis() {
  const step_for = (right - left) / Math.max(2, (width - gutter) / 110);
  let step = Math.pow(10, Math.floor(Math.log10(step_for)));
  for (const m of [1, 2, 5, 10]) if (step * m >= step_for) { step *= m; break; }
  pen.fillStyle = colours.back;
  pen.fillRect(0, 0, width, AXIS - 2);
  pen.strokeStyle = colours.line;
  pen.lineWidth = 1;
  for (let t = Math.ceil(left / step) * step; t <= right; t += step) {
    const x = Math.round(x_of(t)) + 0.5;
    pen.beginPath(); pen.moveTo(x, 0); pen.lineTo(x, AXIS - 4); pen.stroke();
    pen.fillStyle = colours.dim;
    pen.fillText(time_text(Math.round(t * 1000) / 1000), x + 3, 12);
  }
}

function draw_name(name, top, lane_height) {
  pen.fillStyle = gutter ? colours.back : "transparent";
  if (gutter) pen.fillRect(0, top, gutter - 4, lane_height);
  pen.fillStyle = colours.text;
  pen.fillText(fit(name, gutter ? gutter - 12 : width - 8), 4, top + 12);
}

function draw_flow(from, to) {
  if (!from || !to) return;
  const a = strands[from.strand], b = strands[to.strand], x = x_of(from.time), z = x_of(to.time);
  const y = a.top + label + ROW / 2 - lanes.scrollTop, w = b.top + label + ROW / 2 - lanes.scrollTop;
  const bend = Math.max(20, Math.abs(z - x) / 2);
  pen.beginPath();
  pen.moveTo(x, y);
  pen.bezierCurveTo(x + bend, y, z - bend, w, z, w);
  pen.stroke();
}

function draw_path() {
  pen.fillStyle = pen.strokeStyle = colours.path;
  pen.lineWidth = 2;
  let before = null;
  for (const p of path) {
    const s = strands[p.strand], y = s.top + label - lanes.scrollTop;
    const a = Math.max(gutter, x_of(p.start)), b = Math.min(width, x_of(p.end));
    if (b >= gutter && a <= width) pen.fillRect(a, y, Math.max(1, b - a), 4);
    const x = x_of(p.start);
    if (before && before.strand !== p.strand && x >= gutter && x <= width) {
      const from = strands[before.strand].top + label + 2 - lanes.scrollTop;
      pen.beginPath(); pen.moveTo(Math.max(gutter, x_of(before.end)), from); pen.lineTo(x, y + 2); pen.stroke();
    }
    before = p;
  }
}

function draw() {
  const top = lanes.scrollTop;
  pen.font = "11px system-ui, sans-serif";
  pen.fillStyle = colours.back;
  pen.fillRect(0, 0, width, height);
  pen.save();
  pen.translate(0, -top);
  for (const s of shown) {
    if (s.top + s.height < top || s.top > top + height) continue;
    pen.fillStyle = colours.lane;
    pen.fillRect(gutter, s.top + label, width - gutter, s.height - label);
    for (let i = 0; i < s.rows.length && i < 8; i++) draw_row(s.rows[i], s.top + label + i * ROW + 1);
    draw_holds(s, s.top + s.height - 3);
    draw_points(s);
    draw_name(s.name, s.top, s.height);
  }
  for (const c of curves) {
    if (c.top + c.height < top || c.top > top + height) continue;
    draw_curve(c);
    draw_name(c.name + " (" + c.text + ")", c.top, gutter ? c.height : 0);
  }
  pen.restore();
  if (shows_path) draw_path();
  if (chosen && chosen.future) {
    pen.strokeStyle = colours.mark;
    pen.lineWidth = 1.2;
    draw_flow(posts.get(chosen.future), starts.get(chosen.future));
    draw_flow(settled.get(chosen.future), taken.get(chosen.future));
  }
  draw_axis();
}

let waiting_for_frame = false;
function draw_soon() {
  if (waiting_for_frame) return;
  waiting_for_frame = true;
  requestAnimationFrame(() => { waiting_for_frame = false; draw(); });
}

// ---------------------------------------------------------------- looking at something

function find_at(x, y) {
  y += lanes.scrollTop;
  const s = shown.find((lane) => y >= lane.top && y < lane.top + lane.height);
  if (!s || x < gutter) return null;
  const time = time_of(x), near = 3 * (right - left) / (width - gutter);
  const p = s.points.find((point) => Math.abs(point.time - time) < near);
  if (p) return { point: true, start: p.time, end: p.time, name: p.name, args: {}, strand: s.i };
  if (y >= s.top + s.height - 4)
    for (const h of s.holds) if (h.start - near <= time && time <= h.end + near) return h;
  const row = s.rows[Math.floor((y - s.top - label) / ROW)];
  const i = row ? last_before(row, time + near / 3) : -1;
  return i >= 0 && row[i].end + near >= time ? row[i] : null;
}

function tell(s) {
  const box = $("detail");
  box.textContent = "";
  if (!s) return;
  const say = (text, tag) => {
    const e = document.createElement(tag || "span");
    e.textContent = text;
    box.append(e, " ");
  };
  say((s.hold ? "holds " : "") + s.name, "b");
  if (!s.point) say(time_text(s.end - s.start), "b");
  say("on " + strands[s.strand].name + ", at " + time_text(s.start));
  for (const [name, value] of Object.entries(s.args)) say("\u00b7 " + name + ": " + value);
  const post = s.kind === TASK && posts.get(s.future);
  if (post) say("\u00b7 waited in line: " + time_text(s.start - post.time));
}

function choose(s, into_view) {
  chosen = s;
  tell(s);
  if (s && into_view) {
    const span = right - left;
    if (s.start > right || s.end < left) { left = Math.max(0, s.start - span / 2); right = left + span; }
    const lane = strands[s.strand];
    if (lane.top < lanes.scrollTop + AXIS) lanes.scrollTop = lane.top - AXIS;
    if (lane.top + lane.height > lanes.scrollTop + height) lanes.scrollTop = lane.top + lane.height - height;
  }
  draw_soon();
}

// ------------------------------------------------------------------------------ moving

function view(a, b) {
  const span = Math.min(Math.max(b - a, 20), last * 1.02);
  left = Math.max(-last * 0.01, Math.min(a, last * 1.01 - span));
  right = left + span;
  draw_soon();
}
const zoom = (factor, around) => view(around - (around - left) * factor, around + (right - around) * factor);
const pan = (share) => view(left + (right - left) * share, right + (right - left) * share);
const whole = () => view(0, last);
const middle = () => chosen && chosen.end >= left && chosen.start <= right
  ? Math.min(right, Math.max(left, (chosen.start + chosen.end) / 2)) : (left + right) / 2;

function neighbour(step) {
  if (!chosen || chosen.hold || chosen.point) {
    const s = shown.find((lane) => lane.all.length);
    choose(s ? s.all[0] : null, true);
    return;
  }
  const all = strands[chosen.strand].all;
  const i = all.indexOf(chosen) + step;
  if (i >= 0 && i < all.length) choose(all[i], true);
}

function other_lane(step) {
  if (!chosen) { neighbour(0); return; }
  for (let i = chosen.strand + step; i >= 0 && i < strands.length; i += step) {
    const all = strands[i].all;
    if (!all.length || !shown.includes(strands[i])) continue;
    choose(all[Math.max(0, last_before(all, chosen.start))], true);
    return;
  }
}

// --------------------------------------------------------------------------- searching

function search() {
  words = $("search").value.trim().toLowerCase();
  found = [];
  finding = -1;
  for (const s of slices) {
    s.found = words !== "" && (s.name + " " + Object.values(s.args).join(" ")).toLowerCase().includes(words);
    if (s.found) found.push(s);
  }
  found.sort((a, b) => a.start - b.start);
  $("found").textContent = words ? found.length + " found" : "";
  draw_soon();
}

function next_found(step) {
  if (!found.length) return;
  finding = (finding + step + found.length) % found.length;
  choose(found[finding], true);
  $("found").textContent = finding + 1 + " of " + found.length;
}

function toggle_path() {
  shows_path = !shows_path;
  $("path").setAttribute("aria-pressed", shows_path);
  draw_soon();
}

// ------------------------------------------------------------------------------- hands

const keys = {
  w: () => zoom(0.7, middle()), s: () => zoom(1 / 0.7, middle()), "+": () => zoom(0.7, middle()),
  "-": () => zoom(1 / 0.7, middle()), a: () => pan(-0.2), d: () => pan(0.2), 0: whole, c: toggle_path,
  n: () => next_found(1), N: () => next_found(-1), ArrowLeft: () => neighbour(-1), ArrowRight: () => neighbour(1),
  ArrowUp: () => other_lane(-1), ArrowDown: () => other_lane(1), "/": () => $("search").focus(),
  Enter: () => {
    const d = chosen ? Math.max(20, chosen.end - chosen.start) / 8 : 0;
    if (chosen) view(chosen.start - d, chosen.end + d);
  },
  Escape: () => choose(null),
};
document.addEventListener("keydown", (e) => {
  if (e.ctrlKey || e.altKey || e.metaKey) return;
  const tag = e.target.tagName;
  if (e.target === $("search")) {
    if (e.key === "Enter") { next_found(e.shiftKey ? -1 : 1); e.preventDefault(); }
    if (e.key === "Escape") { $("search").value = ""; search(); canvas.focus(); }
    return;
  }
  const arrows = e.key.startsWith("Arrow") || e.key === "Enter";
  const elsewhere = tag !== "CANVAS" && (tag !== "BODY" || e.key === "Enter");
  if (!keys[e.key] || (arrows && elsewhere)) return;
  keys[e.key]();
  e.preventDefault();
});

canvas.addEventListener("wheel", (e) => {
  e.preventDefault();
  if (e.shiftKey) lanes.scrollTop += e.deltaY || e.deltaX;
  else if (Math.abs(e.deltaX) > Math.abs(e.deltaY)) pan(e.deltaX / 1000);
  else zoom(Math.exp(e.deltaY * 0.0015), time_of(Math.max(gutter, e.offsetX)));
}, { passive: false });

let drag = null;
canvas.addEventListener("pointerdown", (e) => {
  drag = { x: e.offsetX, left, right, moved: false };
  canvas.setPointerCapture(e.pointerId);
});
canvas.addEventListener("pointermove", (e) => {
  if (drag) {
    const by = (drag.x - e.offsetX) / (width - gutter) * (drag.right - drag.left);
    if (Math.abs(drag.x - e.offsetX) > 3) drag.moved = true;
    if (drag.moved) view(drag.left + by, drag.right + by);
    return;
  }
  const s = find_at(e.offsetX, e.offsetY);
  if (s === hovered) return;
  hovered = s;
  if (s) tell(s); else tell(chosen);
  draw_soon();
});
canvas.addEventListener("pointerup", (e) => {
  if (drag && !drag.moved) choose(find_at(e.offsetX, e.offsetY));
  drag = null;
});
canvas.addEventListener("pointerleave", () => { hovered = null; tell(chosen); draw_soon(); });
lanes.addEventListener("scroll", draw_soon);
$("search").addEventListener("input", search);
$("whole").addEventListener("click", whole);
$("path").addEventListener("click", toggle_path);
window.addEventListener("resize", arrange);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", arrange);

function say_facts() {
  const facts = $("facts"), events = slices.length + holds.length + data.points.length;
  facts.textContent = new Date(data.began * 1000).toLocaleString() + ", " + time_text(last) + ", " + shown.length +
    (shown.length === 1 ? " strand, " : " strands, ") + events + " slices and marks; " + data.program + ". ";
  if (!data.over && !data.lost) return;
  const b = document.createElement("b");
  b.textContent = data.over + data.lost + " older events are missing: --trace-size=SIZE makes room for more.";
  facts.append(b);
}

function say_legend() {
  for (const [name, colour] of [["task", "task"], ["task that failed", "fail"], ["waits", "wait"], ["idle", "idle"],
    ["span", "span"], ["submit, result, put, get", "call"], ["holds a lock (below)", "hold"],
    ["critical path", "path"]]) {
    const i = document.createElement("i");
    i.style.background = "var(--" + colour + ")";
    $("legend").append(i, name);
  }
}

say_facts();
say_legend();
arrange();
view(0, last);
if (location.hash === "#critical") toggle_path();
]==]
