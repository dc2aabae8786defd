// isochio: the HTML report's page. Data: #meta (JSON) and the packed columns of report/timeline.h; times are bus bits
// (1/480 us), shown as milliseconds. Charts: dygraphs gives axes, zoom and the range selector; the timeline's lanes are
// drawn here, because a lane holds millions of transactions: what shares a pixel is drawn once, by the worst of it.
(function () {
"use strict";

const BITS_PER_MS = 480000, BITS_PER_US = 480;
const meta = JSON.parse(document.getElementById("meta").textContent);
const report = meta.report;
const high = report.speed === "hs";
const dark = matchMedia("(prefers-color-scheme: dark)");
const $ = (id) => document.getElementById(id);
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();

function element(tag, attributes, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name === "class") e.className = value; else if (name.startsWith("on")) e.addEventListener(name.slice(2), value);
    else if (value === true) e.setAttribute(name, ""); else if (value !== false) e.setAttribute(name, value);
  }
  e.append(...children);
  return e;
}

function trouble(text) {
  $("trouble").textContent = text;
  $("trouble").hidden = false;
}
window.addEventListener("error", (event) => trouble("This page could not be drawn: " + event.message));
window.addEventListener("unhandledrejection", (event) => trouble("This page could not be drawn: " + event.reason));

// --- numbers and names ----------------------------------------------------------------------------------------------

const grouped = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, "\u202f");
const hex = (n) => "0x" + n.toString(16).padStart(2, "0");
const endpointName = (n) => (n & 15) === 0 ? "control" : hex(n) + ((n & 128) !== 0 ? " IN" : " OUT");
const frameName = (at) => high ? Math.floor(at / 8) + "." + at % 8 : String(Math.floor(at / 8));
const us = (bits) => (bits / BITS_PER_US).toFixed(3) + " µs";
const ms = (bits) => (bits / BITS_PER_MS).toFixed(6) + " ms";
const PIDS = {0xe1: "OUT", 0x69: "IN", 0xa5: "SOF", 0x2d: "SETUP", 0xb4: "PING", 0xc3: "DATA0", 0x4b: "DATA1", 0x87: "DATA2",
              0x0f: "MDATA", 0xd2: "ACK", 0x5a: "NAK", 0x1e: "STALL", 0x96: "NYET"};
const OK = meta.outcome_names.indexOf("ok"), NAK = meta.outcome_names.findIndex((name) => name.toLowerCase() === "nak");
const goodStatus = meta.status_names.map((name) => name === "ok" || name === "short_packet" || name === "short packet");

/// "1002" or "1002.3" as a (micro)frame, and how many of them are meant.
function parseFrame(text) {
  const match = /^\s*(\d+)(?:\.([0-7]))?\s*$/.exec(text);
  if (!match) return null;
  return match[2] === undefined ? {at: match[1] * 8, count: 8} : {at: match[1] * 8 + Number(match[2]), count: 1};
}

// --- columns --------------------------------------------------------------------------------------------------------

/// The bytes of a column: base64 and zlib undone.
async function unpack(script) {
  const text = atob(script.textContent);
  script.textContent = "";
  const packed = new Uint8Array(text.length);
  for (let i = 0; i < text.length; ++i) packed[i] = text.charCodeAt(i);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/// The numbers of a column, as report/packed_column.h packs them.
function decode(raw, rows, wide) {
  const values = wide ? new Float64Array(rows) : new Int32Array(rows);
  let at = 0, value = 0;
  const number = () => {
    let byte = raw[at++], result = byte & 127;
    for (let scale = 128; byte >= 128; scale *= 128) {
      byte = raw[at++];
      result += (byte & 127) * scale;
    }
    return result;
  };
  for (let row = 0; row < rows;) {
    const step = number();
    if (step === 0) {
      const end = row + 1 + number();
      values.fill(value, row, end);
      row = end;
    } else {
      value += step % 2 === 0 ? step / 2 : -(step + 1) / 2;
      values[row++] = value;
    }
  }
  return values;
}

async function readTables() {
  if (typeof DecompressionStream === "undefined")
    throw new Error("this browser is too old; use Chrome 80, Firefox 113, Safari 16.4 or a later one");
  const scripts = [...document.querySelectorAll("script[data-column]")];
  const packed = await Promise.all(scripts.map(unpack));
  const tables = {};
  scripts.forEach((script, i) => {
    const [table, column] = script.dataset.column.split("."), rows = Number(script.dataset.rows);
    addColumn(tables[table] = tables[table] || {rows}, column, packed[i], rows);
  });
  return tables;
}

/// Decoded when it is first asked for: of a long run most columns are wanted only once someone looks closely.
function addColumn(table, name, packed, rows) {
  Object.defineProperty(table, name, {configurable: true, enumerable: true, get() {
    const value = decode(packed, rows, /^(time|at|due|submitted)$/.test(name));
    Object.defineProperty(table, name, {value, enumerable: true});
    return value;
  }});
}

/// The first index of a sorted array whose value is not below `value`; `index` maps places to rows.
function lowerBound(times, index, value) {
  let low = 0, above = index ? index.length : times.length;
  while (low < above) {
    const middle = (low + above) >> 1;
    if (times[index ? index[middle] : middle] < value) low = middle + 1; else above = middle;
  }
  return low;
}

/// The different values of a column of bytes, in order.
function different(values) {
  const seen = new Uint8Array(256);
  for (let i = 0; i < values.length; ++i) seen[values[i]] = 1;
  return [...seen.keys()].filter((value) => seen[value]);
}

/// Rows by endpoint, in order of time.
function byEndpoint(endpoints, rename) {
  const names = Uint8Array.from({length: 256}, (_, e) => rename(e)), counts = new Uint32Array(256), used = new Uint32Array(256);
  for (let i = 0; i < endpoints.length; ++i) ++counts[names[endpoints[i]]];
  const groups = Array.from(counts, (n) => n ? new Uint32Array(n) : null);
  for (let i = 0; i < endpoints.length; ++i) {
    const e = names[endpoints[i]];
    groups[e][used[e]++] = i;
  }
  return [...groups.entries()].filter((group) => group[1]).sort((a, b) => (a[0] & 15) - (b[0] & 15) || a[0] - b[0]);
}

// --- head -----------------------------------------------------------------------------------------------------------

function showHead() {
  $("verdict").textContent = report.verdict;
  $("verdict").classList.add(report.verdict);
  $("scenario").textContent = report.scenario;
  $("about").textContent = `${high ? "High" : "Full"} speed, ${grouped(report.frames)} frames, seed ${report.seed}.`;
  if (report.error) {
    $("error").textContent = report.error;
    $("error").hidden = false;
  }
  $("repeat").textContent = meta.repeat;
  $("copy").addEventListener("click", () => {
    const range = document.createRange();
    range.selectNodeContents($("repeat"));
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    $("copy").textContent = document.execCommand("copy") ? "Copied" : "Press Ctrl-C";
  });
  const nsText = (ns) => (ns / 1000).toFixed(3) + " µs";
  const violations = Object.values(report.violation_counts).reduce((sum, c) => sum + c.count, 0);
  const {min, max, intervals} = report.sof;
  const sofInterval = !intervals ? "not seen" : min === max ? nsText(min) : `${(min / 1000).toFixed(3)} … ${nsText(max)}`;
  const figures = [
    ["violations", grouped(violations)], ["requests", grouped(report.requests)], ["entries", grouped(report.entries)],
    ["bytes moved", report.bytes < 1e8 ? grouped(report.bytes) : grouped(Math.round(report.bytes / 1e6)) + " MB"],
    ["SOF interval", sofInterval],
    ["latest completion", report.latency.count ? nsText(report.latency.max_ns) : "none"],
    ["not in time", grouped(report.late + report.early + report.missed)],
    ["payload lost or wrong", grouped(report.lost + report.corrupt + report.duplicate + report.reordered + report.truncated + report.mistimed)],
  ];
  for (const [name, value] of figures)
    $("figures").append(element("div", {class: "figure"}, element("b", {}, value), element("span", {}, name)));
  const expectation = report.expectation;
  if (expectation) {
    $("expectation").hidden = false;
    $("expectation").append(element("h2", {}, "Expected outcome"), element("p", {class: expectation.met ? "" : "error"}, expectation.met
      ? "All is as the scenario expects" + (expectation.error_expected ? ", also the error." : ".")
      : `${grouped(expectation.mismatches)} things are not as the scenario expects:`));
    if (!expectation.met)
      $("expectation").append(element("ul", {}, ...expectation.listed.map((m) => element("li", {}, `${m.where}: expected ${m.expected}, got ${m.got}`))));
  }
  if (violations > 0) {
    $("found").hidden = false;
    for (const [rule, c] of Object.entries(report.violation_counts).sort((a, b) => b[1].count - a[1].count))
      $("rules").append(element("span", {class: "chip"}, `${rule} ${grouped(c.count)}`));
  }
  const hidden = report.not_observable || [];
  $("made").textContent =
    (hidden.length ? `Not observable on this target: ${hidden.join(", ")}. ` : "") +
    (meta.omitted ? `${grouped(meta.omitted)} records in order were left out because the run is so long. ` : "") +
    `${report.perf.bus_seconds.toFixed(3)} s of bus time in ${report.perf.wall_seconds.toFixed(3)} s. Charts: dygraphs (MIT).`;
}

const violationPlace = (v) => high ? `${v.frame}.${v.microframe}` : String(v.frame);
const violationText = (v) => `${v.rule} in frame ${violationPlace(v)}` + (v.endpoint ? `, endpoint ${v.endpoint}` : "") +
  (v.request ? `, request ${v.request}` : "") + (v.entry !== null ? ` entry ${v.entry}` : "") +
  `: expected ${v.expected}, seen ${v.seen}` + (v.fault ? `, after fault ${v.fault}` : "");
const faultText = (f) => `Fault ${f.id} "${f.name}" in frame ${violationPlace(f)}: ${f.what}`;

// --- timeline -------------------------------------------------------------------------------------------------------

class TimelineView {
  constructor(tables, violations, faults) {
    this.tables = tables;
    this.faults = faults;  // those that are listed, in order of time
    this.faultTimes = Float64Array.from(faults, (fault) => fault.bits);
    this.violations = violations;  // in order of time
    this.violationTimes = Float64Array.from(violations, (v) => v.bits);
    this.makeLanes();
    this.findEnds();
    this.selected = null;
    this.draw();
    this.listen();
  }

  makeLanes() {
    const t = this.tables.transactions, c = this.tables.completions;
    this.lanes = [];
    if (this.violations.length) this.lanes.push({kind: "violations", label: "violations"});
    if (this.faults.length) this.lanes.push({kind: "faults", label: "faults"});
    if (this.tables.sofs.rows) this.lanes.push({kind: "sof", label: "SOF"});
    for (const [e, rows] of byEndpoint(t.endpoint, (e) => (e & 15) === 0 ? 0 : e))
      this.lanes.push({kind: "transactions", label: endpointName(e), endpoint: e, rows});
    for (const [e, rows] of byEndpoint(c.endpoint, (e) => e))
      this.lanes.push({kind: "completions", label: hex(e) + " done", endpoint: e, rows});
  }

  findEnds() {
    const t = this.tables.transactions.time, s = this.tables.sofs.time, c = this.tables.completions.time;
    const firsts = [t, s, c].filter((a) => a.length).map((a) => a[0]);
    const lasts = [t, s, c].filter((a) => a.length).map((a) => a[a.length - 1]);
    for (const time of [...this.violationTimes, ...this.faultTimes]) lasts.push(time);
    this.from = (firsts.length ? Math.min(...firsts) : 0) / BITS_PER_MS;
    this.to = (lasts.length ? lasts.reduce((a, b) => Math.max(a, b)) : BITS_PER_MS) / BITS_PER_MS;
    if (this.to <= this.from) this.to = this.from + 1;
  }

  /// Bytes a millisecond over the run, for the range selector: what is where at a glance.
  overview() {
    const buckets = 600, sums = new Float64Array(buckets), t = this.tables.transactions;
    const scale = buckets / (this.to - this.from) / BITS_PER_MS, origin = this.from * BITS_PER_MS;
    const {rows, time, length} = t;
    for (let i = 0; i < rows; ++i) sums[Math.min(buckets - 1, Math.max(0, (time[i] - origin) * scale | 0))] += length[i];
    return Array.from(sums, (sum, i) => [this.from + (i + 0.5) / buckets * (this.to - this.from), sum]);
  }

  draw() {
    const narrow = innerWidth < 600;
    const div = $("timeline");
    div.style.height = this.lanes.length * (narrow ? 26 : 30) + 90 + "px";
    const data = [[this.from, 0], ...this.overview(), [this.to, 0]];
    const n = this.lanes.length;
    this.graph = new Dygraph(div, data, {
      labels: ["ms", "bytes"], legend: "never", valueRange: [0, n], plotter: () => {}, highlightCircleSize: 0, xRangePad: 0,
      interactionModel: Dygraph.defaultInteractionModel,  // else dragging moves, once there is a range selector
      showRangeSelector: true, rangeSelectorHeight: 30, rangeSelectorAlpha: 0.75, ...this.colourOptions(),
      underlayCallback: (context, area, graph) => this.paint(context, area, graph),
      axes: {
        x: {axisLabelFormatter: (x) => this.axisLabel(x), pixelsPerLabel: 90, axisLabelWidth: 90, drawGrid: false},
        y: {drawGrid: false, axisLabelWidth: narrow ? 62 : 90,
            ticker: () => this.lanes.map((lane, i) => ({v: n - i - 0.5, label: lane.label}))},
      },
    });
  }

  /// The colours of the scheme that the reader has now.
  colourOptions() {
    this.colours = {};
    for (const name of ["ok", "bad", "idle", "done", "sof", "violation", "warn", "lane", "grid", "bg", "focus"]) this.colours[name] = css(name);
    return {rangeSelectorPlotFillColor: css("ok"), rangeSelectorPlotStrokeColor: css("ok"), rangeSelectorPlotFillGradientColor: css("bg"),
            rangeSelectorBackgroundStrokeColor: css("line"), rangeSelectorForegroundStrokeColor: dark.matches ? css("bg") : css("fg"),
            gridLineColor: css("grid"), axisLineColor: css("line")};
  }

  axisLabel(x) {
    const [a, b] = this.graph ? this.window() : [this.from, this.to];
    const digits = Math.min(6, Math.max(0, 2 - Math.floor(Math.log10((b - a) / 4))));
    return x.toFixed(digits) + " ms";
  }

  window() { return this.graph.xAxisRange(); }

  /// Shows this stretch of milliseconds, no less than a microsecond, no more than there is.
  show(a, b) {
    const least = 0.001;
    if (b - a < least) [a, b] = [(a + b - least) / 2, (a + b + least) / 2];
    if (b - a >= this.to - this.from) [a, b] = [this.from, this.to];
    if (a < this.from) [a, b] = [this.from, this.from + b - a];
    if (b > this.to) [a, b] = [this.to - (b - a), this.to];
    this.graph.updateOptions({dateWindow: [a, b]});
  }
  zoom(factor, centre) {
    const [a, b] = this.window(), middle = centre === undefined ? (a + b) / 2 : centre;
    this.show(middle - (middle - a) * factor, middle + (b - middle) * factor);
  }
  move(share) {
    const [a, b] = this.window();
    this.show(a + share * (b - a), b + share * (b - a));
  }
  /// This time in the middle; closer if the view is wide.
  centre(bits, widest) {
    const [a, b] = this.window(), width = Math.min(b - a, widest), x = bits / BITS_PER_MS;
    this.show(x - width / 2, x + width / 2);
  }

  paint(context, area, graph) {
    if (area.w < 1) return;  // hidden, or a page being laid out anew
    const [a, b] = graph.xAxisRange(), height = area.h / this.lanes.length;
    const view = {context, left: area.x, width: area.w, from: a * BITS_PER_MS, to: b * BITS_PER_MS,
                  scale: area.w / ((b - a) * BITS_PER_MS)};
    context.save();
    context.beginPath();
    context.rect(area.x, area.y, area.w, area.h);
    context.clip();
    this.lanes.forEach((lane, i) => {
      if (i % 2 === 0) {
        context.fillStyle = this.colours.lane;
        context.fillRect(area.x, area.y + i * height, area.w, height);
      }
    });
    this.paintGrid(view, area);
    this.lanes.forEach((lane, i) => this.paintLane(lane, {...view, top: area.y + i * height + 3, height: height - 6}));
    if (this.selected !== null) {
      context.fillStyle = this.colours.focus;
      context.fillRect(view.left + (this.selected - view.from) * view.scale - 0.5, area.y, 1.5, area.h);
    }
    context.restore();
  }

  /// A line at each SOF once they are far enough apart.
  paintGrid(view, area) {
    const period = high ? 60000 : 480000;
    if (period * view.scale < 10) return;
    const times = this.tables.sofs.time;
    view.context.fillStyle = this.colours.grid;
    for (let i = lowerBound(times, null, view.from); i < times.length && times[i] <= view.to; ++i)
      view.context.fillRect(view.left + (times[i] - view.from) * view.scale, area.y, 1, area.h);
  }

  paintLane(lane, view) {
    if (lane.kind === "transactions") this.paintTransactions(lane, view);
    if (lane.kind === "completions") this.paintCompletions(lane, view);
    if (lane.kind === "sof") this.paintSofs(view);
    if (lane.kind === "violations") this.paintMarks(view, this.violationTimes, this.colours.violation);
    if (lane.kind === "faults") this.paintMarks(view, this.faultTimes, this.colours.warn);
  }

  paintTransactions(lane, view) {
    const t = this.tables.transactions, rows = lane.rows, longest = 2 * 480000;
    const begin = lowerBound(t.time, rows, view.from - longest), end = lowerBound(t.time, rows, view.to);
    if (end - begin > view.width) return this.paintDense(lane, view, begin, end);
    const c = view.context;
    c.font = "11px system-ui, sans-serif";
    c.textBaseline = "middle";
    for (let k = begin; k < end; ++k) {
      const row = rows[k], x = view.left + (t.time[row] - view.from) * view.scale;
      const width = Math.max(1, t.bits[row] * view.scale), outcome = t.outcome[row];
      c.fillStyle = outcome === OK ? this.colours.ok : outcome === NAK ? this.colours.idle : this.colours.bad;
      const low = outcome === NAK || (outcome === OK && t.length[row] === 0) ? 0.55 : 0;
      c.fillRect(x, view.top + view.height * low, width, view.height * (1 - low));
      if (width > 54 && low === 0) {
        c.fillStyle = this.colours.bg;
        c.fillText((width > 110 ? (PIDS[t.data[row]] || PIDS[t.token[row]] || "") + " " : "") + t.length[row] + " B",
                   Math.max(x, view.left) + 4, view.top + view.height / 2);
      }
    }
  }

  /// More transactions than pixels: height by bytes, colour by the worst.
  paintDense(lane, view, begin, end) {
    const {time, length, outcome} = this.tables.transactions, rows = lane.rows, n = Math.ceil(view.width) + 1;
    const sums = new Float64Array(n), worst = new Uint8Array(n);
    for (let k = begin; k < end; ++k) {
      const row = rows[k], column = (time[row] - view.from) * view.scale | 0;
      if (column < 0 || column >= n) continue;
      sums[column] += length[row];
      const rank = outcome[row] === OK ? 2 : outcome[row] === NAK ? 1 : 3;
      if (rank > worst[column]) worst[column] = rank;
    }
    const most = sums.reduce((x, y) => Math.max(x, y), 1);
    const colours = ["", this.colours.idle, this.colours.ok, this.colours.bad];
    for (let i = 0; i < n; ++i) {
      if (worst[i] === 0) continue;
      const height = worst[i] === 3 ? view.height : view.height * Math.max(0.15, 0.9 * sums[i] / most);
      view.context.fillStyle = colours[worst[i]];
      view.context.fillRect(view.left + i, view.top + view.height - height, 1, height);
    }
  }

  paintCompletions(lane, view) {
    const c = this.tables.completions, rows = lane.rows, context = view.context;
    let last = -10;
    for (let k = lowerBound(c.time, rows, view.from); k < rows.length && c.due[rows[k]] <= view.to; ++k) {
      const row = rows[k], x = view.left + (c.time[row] - view.from) * view.scale, good = goodStatus[c.status[row]];
      if (good && x - last < 1) continue;
      last = x;
      const due = view.left + (c.due[row] - view.from) * view.scale;
      context.fillStyle = good ? this.colours.done : this.colours.bad;
      context.globalAlpha = 0.45;
      if (x - due >= 1) context.fillRect(due, view.top + view.height * 0.3, x - due, view.height * 0.4);
      context.globalAlpha = 1;
      context.fillRect(x - 1, view.top, 2, view.height);
    }
  }

  paintSofs(view) {
    const s = this.tables.sofs, context = view.context, period = high ? 60000 : 480000, apart = period * view.scale;
    context.fillStyle = this.colours.sof;
    if (apart < 2) {
      const begin = lowerBound(s.time, null, view.from), end = lowerBound(s.time, null, view.to);
      const present = new Uint8Array(Math.ceil(view.width) + 1);
      for (let i = begin; i < end; ++i) present[(s.time[i] - view.from) * view.scale | 0] = 1;
      for (let x = 0; x < present.length; ++x)
        if (present[x]) context.fillRect(view.left + x, view.top + view.height * 0.3, 1, view.height * 0.4);
      return;
    }
    context.font = "11px system-ui, sans-serif";
    context.textBaseline = "middle";
    for (let i = lowerBound(s.time, null, view.from - period); i < s.time.length && s.time[i] <= view.to; ++i) {
      const x = view.left + (s.time[i] - view.from) * view.scale;
      context.fillRect(x, view.top, 1.5, view.height);
      if (apart > 52) context.fillText(frameName(s.at[i]), x + 4, view.top + view.height / 2);
    }
  }

  paintMarks(view, times, colour) {
    const context = view.context, middle = view.top + view.height / 2, size = Math.min(7, view.height / 2);
    context.fillStyle = colour;
    let last = -10;
    for (let i = lowerBound(times, null, view.from - size / view.scale); i < times.length && times[i] <= view.to; ++i) {
      const x = view.left + (times[i] - view.from) * view.scale;
      if (x - last < 2) continue;
      last = x;
      context.beginPath();
      context.moveTo(x, middle - size);
      context.lineTo(x + size, middle);
      context.lineTo(x, middle + size);
      context.lineTo(x - size, middle);
      context.fill();
    }
  }

  // What is at a place, in words.
  at(lane, bits, reach) {
    const nearest = (times, rows) => {
      const k = lowerBound(times, rows, bits);
      let best = -1, distance = reach;
      for (const candidate of [k - 1, k]) {
        const row = rows ? rows[candidate] : candidate;
        if (candidate < 0 || row === undefined || row >= times.length) continue;
        const off = Math.abs(times[row] - bits);
        if (off <= distance) [best, distance] = [row, off];
      }
      return best;
    };
    if (lane.kind === "transactions") {
      const t = this.tables.transactions, k = lowerBound(t.time, lane.rows, bits + 1) - 1, row = lane.rows[k];
      const inside = k >= 0 && bits <= t.time[row] + t.bits[row];
      const found = inside ? row : nearest(t.time, lane.rows);
      return found < 0 ? null : this.transaction(found);
    }
    if (lane.kind === "completions") {
      const row = nearest(this.tables.completions.time, lane.rows);
      return row < 0 ? null : this.completion(row);
    }
    if (lane.kind === "sof") {
      const s = this.tables.sofs, row = nearest(s.time, null);
      return row < 0 ? null : {time: s.time[row], text: `SOF of ${frameName(s.at[row])} at ${ms(s.time[row])}` +
                               (s.interval[row] ? `, ${us(s.interval[row])} after the last` : ", the first after a break")};
    }
    if (lane.kind === "faults") {
      const row = nearest(this.faultTimes, null);
      return row < 0 ? null : {time: this.faultTimes[row], text: faultText(this.faults[row])};
    }
    const row = nearest(this.violationTimes, null);
    return row < 0 ? null : {time: this.violationTimes[row], text: violationText(this.violations[row])};
  }

  transaction(row) {
    const t = this.tables.transactions;
    const packets = [t.token[row], t.data[row], t.handshake[row]].filter((pid) => pid !== 0).map((pid) => PIDS[pid] || hex(pid));
    return {time: t.time[row], row, text: `${endpointName(t.endpoint[row])} in frame ${frameName(t.at[row])}: ${packets.join(", ")}, ` +
      `${t.length[row]} bytes, ${meta.outcome_names[t.outcome[row]]}; begins ${ms(t.time[row])}, takes ${us(t.bits[row])}` +
      (t.response[row] >= 0 ? `, answered after ${us(t.response[row])}` : "")};
  }

  completion(row) {
    const c = this.tables.completions;
    if (c.kind[row] === 2)
      return {time: c.time[row], text: `${endpointName(c.endpoint[row])}: a request was refused at ${ms(c.time[row])}, ${meta.status_names[c.status[row]]}`};
    return {time: c.time[row], text: `${endpointName(c.endpoint[row])}: request ${c.request[row]} completed at ${ms(c.time[row])}, ` +
      `${meta.status_names[c.status[row]]}; submitted ${ms(c.submitted[row])}` +
      (c.kind[row] ? "" : `, ${us(c.time[row] - c.due[row])} after its last (micro)frame`)};
  }

  select(found) {
    this.selected = found ? found.time : null;
    $("detail").textContent = found ? found.text : "";
    this.graph.updateOptions({});
  }

  /// The next (1) or previous (-1) violation.
  step(direction) {
    if (!this.violations.length) return;
    const from = this.selected === null ? this.window()[0] * BITS_PER_MS : this.selected;
    let i = lowerBound(this.violationTimes, null, direction > 0 ? from + 1 : from) - (direction > 0 ? 0 : 1);
    i = (i + this.violations.length) % this.violations.length;
    this.goTo(this.violationTimes[i], violationText(this.violations[i]));
  }
  stepTransaction(direction) {
    const t = this.tables.transactions;
    if (!t.rows) return;
    const from = this.selected === null ? this.window()[0] * BITS_PER_MS : this.selected;
    const i = lowerBound(t.time, null, direction > 0 ? from + 1 : from) - (direction > 0 ? 0 : 1);
    const found = this.transaction(Math.min(t.rows - 1, Math.max(0, i)));
    const [a, b] = this.window();
    if (found.time < a * BITS_PER_MS || found.time > b * BITS_PER_MS || b - a > 4) this.centre(found.time, 1);
    this.select(found);
  }
  goTo(bits, text) {
    this.centre(bits, 2);
    this.select({time: bits, text});
  }
  goToFrame(at) {
    const s = this.tables.sofs;
    let low = 0, above = s.rows;
    while (low < above) {
      const middle = (low + above) >> 1;
      if (s.at[middle] < at) low = middle + 1; else above = middle;
    }
    if (low < s.rows) this.goTo(s.time[low], `Frame ${frameName(s.at[low])} begins at ${ms(s.time[low])}`);
    return low < s.rows && s.at[low] === at;
  }

  act(what) {
    ({whole: () => this.show(this.from, this.to), in: () => this.zoom(0.5), out: () => this.zoom(2), left: () => this.move(-0.25),
      right: () => this.move(0.25), previous: () => this.step(-1), next: () => this.step(1),
      before: () => this.stepTransaction(-1), after: () => this.stepTransaction(1)})[what]();
  }

  listen() {
    const div = $("timeline");
    const keys = {ArrowLeft: "left", ArrowRight: "right", "+": "in", "=": "in", "-": "out", Home: "whole", 0: "whole",
                  n: "next", p: "previous", ".": "after", ",": "before"};
    div.addEventListener("keydown", (event) => {
      const what = keys[event.key] || keys[event.key.toLowerCase()];
      if (!what || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      this.act(what);
    });
    div.addEventListener("wheel", (event) => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      this.zoom(event.deltaY > 0 ? 1.4 : 1 / 1.4, this.place(event).bits / BITS_PER_MS);
    }, {passive: false});
    div.addEventListener("mousemove", (event) => {
      const found = this.under(event);
      if (found && event.buttons === 0) $("detail").textContent = found.text;
    });
    div.addEventListener("click", (event) => {
      const found = this.under(event);
      if (found) this.select(found);
    });
    for (const button of document.querySelectorAll("[data-do]"))
      button.addEventListener("click", () => this.act(button.dataset.do));
    for (const button of document.querySelectorAll(".for-violations")) button.hidden = !this.violations.length;
    $("go").addEventListener("change", () => {
      const wanted = parseFrame($("go").value);
      $("go").setCustomValidity(wanted && this.goToFrame(wanted.at) ? "" : "No such frame in this run");
      $("go").reportValidity();
    });
    dark.addEventListener("change", () => this.graph.updateOptions(this.colourOptions()));
  }

  place(event) {
    const box = $("timeline").getBoundingClientRect();
    const x = this.graph.toDataXCoord(event.clientX - box.left - $("timeline").clientLeft);
    const y = this.graph.toDataYCoord(event.clientY - box.top - $("timeline").clientTop);
    return {bits: x * BITS_PER_MS, lane: this.lanes[Math.floor(this.lanes.length - y)]};
  }
  under(event) {
    const {bits, lane} = this.place(event);
    const [a, b] = this.window();
    return lane ? this.at(lane, bits, 6 * (b - a) * BITS_PER_MS / $("timeline").clientWidth) : null;
  }
}

function showLegend(violations, faults) {
  const items = [["ok", "transaction"], ["idle", "NAK"], ["bad", "error"], ["done", "completion, from due to told"]];
  if (violations) items.push(["violation", "violation"]);
  if (faults) items.push(["warn", "fault, made on purpose"]);
  for (const [colour, name] of items) {
    const mark = element("i", {});
    mark.style.background = `var(--${colour})`;
    $("legend").append(element("li", {}, mark, name));
  }
}

// --- histograms -----------------------------------------------------------------------------------------------------

/// At most 48 bars [place, count] of a distribution.
function bars(distribution) {
  const most = 48, {least: low, greatest: above, total: n} = distribution;
  if (n === 0) return null;
  if (distribution.width === 1 && distribution.places.length <= most) {
    const places = distribution.places;
    let width = above > low ? (above - low) / most : 1;
    for (let i = 1; i < places.length; ++i) width = Math.min(width, places[i][0] - places[i - 1][0]);
    return {places, width, low, above, n};
  }
  const width = Math.max(1, (above - low) / most), counts = new Float64Array(most);
  for (const [first, count] of distribution.places)
    counts[Math.max(0, Math.min(most - 1, (first + (distribution.width - 1) / 2 - low) / width | 0))] += count;
  const places = Array.from(counts, (count, i) => [low + (i + 0.5) * width, count]).filter((place) => place[1] > 0);
  return {places, width, low, above, n};
}

/// Makes the figure; what it returns draws it, once all figures stand and have their widths.
function showHistogram(title, explanation, distribution, scale, unit) {
  const h = bars(distribution);
  const chart = element("div", {class: "chart", role: "img"});
  const caption = element("figcaption", {}, title, element("small", {}, explanation));
  const figure = element("figure", {}, caption, chart);
  $("histograms").append(figure);
  if (!h) {
    chart.remove();
    caption.append(element("small", {}, "Nothing to show."));
    return () => {};
  }
  const shown = (value) => (value / scale).toFixed(3) + " " + unit;
  const summary = `${grouped(h.n)} values, ${h.low === h.above ? "all " + shown(h.low) : shown(h.low) + " to " + shown(h.above)}.`;
  caption.append(element("small", {}, summary));
  chart.setAttribute("aria-label", title + ": " + summary);
  const padding = Math.max(h.width, (h.above - h.low) * 0.04);
  const range = [(h.low - padding) / scale, (h.above + padding) / scale];
  const digits = Math.min(4, Math.max(0, 2 - Math.floor(Math.log10(range[1] - range[0]))));
  const most = Math.max(...h.places.map((place) => place[1]));
  return () => followScheme(new Dygraph(chart, h.places.map(([x, count]) => [x / scale, count]), {
    labels: [unit, "count"], legend: "never", dateWindow: range, valueRange: [0.5, most * 2], logscale: true,
    gridLineColor: css("grid"), axisLineColor: css("line"), highlightCircleSize: 0,
    axes: {x: {axisLabelFormatter: (x) => x.toFixed(digits), pixelsPerLabel: 70, drawGrid: false, axisLabelWidth: 70},
           y: {axisLabelFormatter: (y) => y >= 1 ? grouped(Math.round(y)) : "", axisLabelWidth: 64, pixelsPerLabel: 30}},
    plotter: (e) => {
      const width = Math.max(3, e.dygraph.toDomXCoord(h.width / scale) - e.dygraph.toDomXCoord(0) - 1);
      const bottom = e.plotArea.y + e.plotArea.h;
      e.drawingContext.fillStyle = css("ok");
      for (const p of e.points) e.drawingContext.fillRect(p.canvasx - width / 2, p.canvasy, width, bottom - p.canvasy);
    },
  }), () => ({}));
}

/// A chart follows the colour scheme; `own` gives its further colours.
function followScheme(graph, own) {
  dark.addEventListener("change", () => graph.updateOptions({gridLineColor: css("grid"), axisLineColor: css("line"), ...own()}));
}

function showHistograms() {
  const nominal = high ? 125 : 1000, d = meta.distributions;
  const draws = [
    showHistogram("SOF interval", `start of SOF to start of SOF; ${nominal} µs`, d.sof_interval, BITS_PER_US, "µs"),
    showHistogram("Device response", "end of the host's packet to the first bit of the device's", d.response, BITS_PER_US, "µs"),
    showHistogram("Completion latency", "end of the last entry's (micro)frame to the completion", d.latency, BITS_PER_US, "µs"),
  ];
  for (const draw of draws) draw();
}

// --- feedback -------------------------------------------------------------------------------------------------------

/// Of rows first … last the least and the greatest of each of `n` stretches: what a chart that wide can show.
function decimated(times, values, first, last, n, ideal) {
  const points = [], size = Math.max(1, Math.ceil((last - first) / n));
  for (let i = first; i < last; i += size) {
    let low = i, above = i;
    for (let k = i; k < Math.min(last, i + size); ++k) {
      if (values[k] < values[low]) low = k;
      if (values[k] > values[above]) above = k;
    }
    for (const k of low === above ? [low] : [Math.min(low, above), Math.max(low, above)])
      points.push([times[k], values[k], ideal]);
  }
  return points;
}

function showFeedback(tables) {
  const v = tables.values;
  for (const stream of meta.feedback) {
    const rows = [];
    for (let i = 0; i < v.rows; ++i) if (v.endpoint[i] === stream.endpoint) rows.push(i);
    if (!rows.length) continue;
    $("feedback").hidden = false;
    const times = Float64Array.from(rows, (i) => v.time[i] / BITS_PER_MS), values = Float64Array.from(rows, (i) => v.value[i] / 65536);
    const settled = values.subarray(Math.min(values.length - 1, 3));
    const low = settled.reduce((a, b) => Math.min(a, b)), above = settled.reduce((a, b) => Math.max(a, b));
    const mean = settled.reduce((a, b) => a + b, 0) / settled.length;
    const chart = element("div", {class: "chart", role: "img"});
    const ppm = (mean / stream.ideal - 1) * 1e6;
    const summary = `${grouped(rows.length)} values, ${low.toFixed(5)} to ${above.toFixed(5)} samples a ${high ? "microframe" : "frame"}, ` +
      `ideal ${stream.ideal.toFixed(5)}; on average ${ppm.toFixed(1)} ppm off (without the first three).`;
    chart.setAttribute("aria-label", summary);
    $("feedback-charts").append(element("figure", {}, element("figcaption", {}, `Feedback of ${endpointName(stream.endpoint)}`,
      element("small", {}, summary)), chart));
    const points = 1500, whole = decimated(times, values, 0, times.length, points, stream.ideal);
    const spread = Math.max(above - stream.ideal, stream.ideal - low, stream.ideal * 1e-5) * 1.3;
    const digits = Math.min(7, Math.max(1, 1 - Math.floor(Math.log10(spread))));
    followScheme(new Dygraph(chart, whole, {
      labels: ["ms", "feedback", "ideal"], legend: "never", colors: [css("ok"), css("bad")], strokeWidth: 1.5,
      valueRange: [stream.ideal - spread, stream.ideal + spread], gridLineColor: css("grid"), axisLineColor: css("line"),
      series: {ideal: {strokePattern: [6, 4]}}, highlightCircleSize: 3,
      axes: {x: {axisLabelFormatter: (x) => x.toFixed(0) + " ms"}, y: {axisLabelFormatter: (y) => y.toFixed(digits), axisLabelWidth: 76, pixelsPerLabel: 30}},
      zoomCallback(from, to) {
        const first = Math.max(0, lowerBound(times, null, from) - 1), last = Math.min(times.length, lowerBound(times, null, to) + 1);
        this.updateOptions({file: this.isZoomed("x") ? decimated(times, values, first, last, points, stream.ideal) : whole});
      },
    }), () => ({colors: [css("ok"), css("bad")]}));
  }
}

// --- tables ---------------------------------------------------------------------------------------------------------

/// A table that holds one page of its rows only. `cells(row)` gives [text or node, class] of each column.
class PagedTable {
  constructor(name, place, columns, cells, nothing) {
    Object.assign(this, {columns, cells, nothing, page: 0, size: 20, rows: []});
    this.scroll = element("div", {class: "scroll", tabindex: "0", role: "region", "aria-label": name});
    this.back = element("button", {type: "button", onclick: () => this.turn(-1)}, "‹ Before");
    this.ahead = element("button", {type: "button", onclick: () => this.turn(1)}, "After ›");
    this.where = element("span", {role: "status"});
    place.append(element("div", {class: "pages"}, this.back, this.ahead, this.where), this.scroll);
  }
  set(rows) {
    this.rows = rows;
    this.page = 0;
    this.draw();
  }
  turn(by) {
    this.page += by;
    this.draw();
  }
  draw() {
    const first = this.page * this.size, last = Math.min(this.rows.length, first + this.size);
    this.back.disabled = this.page === 0;
    this.ahead.disabled = last >= this.rows.length;
    this.where.textContent = this.rows.length ? `${grouped(first + 1)} to ${grouped(last)} of ${grouped(this.rows.length)}` : this.nothing;
    const body = element("tbody", {});
    for (let i = first; i < last; ++i)
      body.append(element("tr", {}, ...this.cells(this.rows[i]).map(([content, kind]) => element("td", {class: kind || ""}, content))));
    const head = element("thead", {}, element("tr", {}, ...this.columns.map(([name, kind]) => element("th", {class: kind || "", scope: "col"}, name))));
    this.scroll.replaceChildren(...(this.rows.length ? [element("table", {}, head, body)] : []));
  }
}

const placeButton = (text, bits, note, timeline) =>
  element("button", {type: "button", title: "Show in the timeline", onclick: () => {
    timeline.goTo(bits, note);
    $("timeline").scrollIntoView({block: "center"});
    $("timeline").focus({preventScroll: true});
  }}, text);

function showViolations(violations, timeline) {
  if (!violations.length) return;
  const first = violations[0];
  $("first").append("First: " + violationText(first) + ". ", placeButton("Show it", first.bits, violationText(first), timeline));
  $("violations-section").hidden = false;
  const withFaults = violations.some((v) => v.fault !== null);
  const table = new PagedTable("Violations", $("violations-table"),
    [["frame"], ["rule", "text"], ["endpoint"], ["request"], ["entry"], ["expected", "text"], ["seen", "text"],
     ...(withFaults ? [["after fault"]] : [])],
    (v) => [[placeButton(violationPlace(v), v.bits, violationText(v), timeline)], [v.rule, "text"], [v.endpoint || ""],
            [v.request === null ? "" : String(v.request)], [v.entry === null ? "" : String(v.entry)],
            [v.expected, "text long"], [v.seen, "text long"], ...(withFaults ? [[v.fault === null ? "" : String(v.fault)]] : [])], "");
  table.set(violations);
}

/// What went wrong on purpose (docs/faults.md): each table of the plan, and what it did.
function showFaults(faults, timeline) {
  const {made, planned} = report.faults;
  if (!planned.length) return;
  $("faults-section").hidden = false;
  $("faults-sum").append(...planned.map((p) =>
    element("span", {class: "chip fault"}, (p.name === p.kind ? p.kind : `${p.name} (${p.kind})`) + " " + grouped(p.made))));
  if (made > faults.length) $("faults-sum").append(element("span", {}, `the first ${grouped(faults.length)} are listed`));
  if (!faults.length) return;
  const table = new PagedTable("Faults", $("faults-table"),
    [["frame"], ["fault"], ["name", "text"], ["what was done", "text"]],
    (f) => [[placeButton(violationPlace(f), f.bits, faultText(f), timeline)], [String(f.id)], [f.name, "text"], [f.what, "text long"]], "");
  table.set(faults);
}

function showEntries(tables, violations, timeline) {
  const e = tables.entries;
  const key = (request, entry) => request * 131072 + entry;
  const blamed = new Map();
  for (const v of violations)
    if (v.request !== null && v.entry !== null) {
      const k = key(v.request, v.entry);
      blamed.set(k, (blamed.has(k) ? blamed.get(k) + "; " : "") + v.rule);
    }
  const requests = new Set([...blamed.keys()].map((k) => Math.floor(k / 131072)));
  let last = -1, lastBlamed = false;  // entries of a request follow one another
  const isBlamed = (row) => {
    if (!blamed.size) return false;
    const request = e.request[row];
    if (request !== last) [last, lastBlamed] = [request, requests.has(request)];
    return lastBlamed && rules(row) !== "";
  };
  const rules = (row) => blamed.get(key(e.request[row], e.entry[row])) || "";
  $("show").append(element("option", {value: "wrong"}, "what is not in order"), element("option", {value: "all"}, "all"),
                   ...different(e.status).map((s) => element("option", {value: String(s)}, meta.status_names[s])));
  $("endpoint").append(element("option", {value: ""}, "all"),
                       ...different(e.endpoint).map((n) => element("option", {value: String(n)}, endpointName(n))));
  const table = new PagedTable("Frame list", $("entries-table"),
    [["frame"], ["endpoint", "text"], ["request"], ["entry"], ["asked"], ["moved"], ["status", "text"], ["ended"], ["violations", "text"]],
    (row) => {
      const status = meta.status_names[e.status[row]], note = rules(row);
      return [[placeButton(frameName(e.at[row]), e.time[row], `Frame ${frameName(e.at[row])}, request ${e.request[row]} entry ${e.entry[row]}: ${status}`, timeline)],
              [endpointName(e.endpoint[row]), "text"], [String(e.request[row])], [String(e.entry[row])], [String(e.asked[row])],
              [String(e.moved[row])], [status, goodStatus[e.status[row]] ? "text" : "text bad"], [ms(e.time[row])], [note, note ? "text bad" : "text"]];
    }, e.rows ? "Nothing here: no entry is like that." : "No entry has ended.");
  const filter = () => {
    const show = $("show").value, endpoint = $("endpoint").value, frame = parseFrame($("frame").value);
    $("frame").setCustomValidity(frame || !$("frame").value.trim() ? "" : "A frame such as 1002, or 1002.3");
    const rows = [], {status} = e, wanted = Number(show), from = Number(endpoint);
    for (let i = 0; i < e.rows; ++i) {
      if (show === "wrong" ? goodStatus[status[i]] && !isBlamed(i) : show !== "all" && status[i] !== wanted) continue;
      if (endpoint && e.endpoint[i] !== from) continue;
      if (frame && (e.at[i] < frame.at || e.at[i] >= frame.at + frame.count)) continue;
      rows.push(i);
    }
    table.set(rows);
  };
  for (const id of ["show", "endpoint"]) $(id).addEventListener("change", filter);
  $("frame").addEventListener("input", filter);
  filter();
}

function showStreams() {
  const columns = ["endpoint", "requests", "refused", "entries", "bytes", "packets", "lost", "corrupt", "duplicate", "reordered",
                   "truncated", "mistimed", "late", "early", "missed", "aborted", "errors"];
  $("streams-table").append(element("table", {},
    element("thead", {}, element("tr", {}, ...columns.map((c) => element("th", {scope: "col"}, c)))),
    element("tbody", {}, ...report.streams.map((s) =>
      element("tr", {}, ...columns.map((c) => element("td", {}, typeof s[c] === "number" ? grouped(s[c]) : s[c])))))));
}

/// Which values of each dimension this run met (docs/coverage.md).
function showCoverage() {
  const covered = meta.coverage;
  if (covered.hit === 0) return;
  $("coverage-section").hidden = false;
  $("coverage-sum").textContent = `This run alone was in ${grouped(covered.hit)} of ${grouped(covered.bins)} bins of the coverage model.`;
  $("coverage-table").append(element("table", {},
    element("thead", {}, element("tr", {}, element("th", {scope: "col"}, "dimension"), element("th", {scope: "col"}, "met"),
                                 element("th", {scope: "col"}, "values"))),
    element("tbody", {}, ...covered.dimensions.map((d) => {
      const met = d.values.filter((v) => v.met).map((v) => v.value);
      return element("tr", {}, element("th", {scope: "row"}, d.name), element("td", {class: "long"}, met.join(", ")),
                     element("td", {}, `${met.length} of ${d.values.length}`));
    }))));
}

// --------------------------------------------------------------------------------------------------------------------

async function main() {
  showHead();
  showStreams();
  showCoverage();
  const violations = meta.violations.slice().sort((a, b) => a.bits - b.bits);
  const faults = report.faults.listed.map((f) => ({...f, bits: f.time_ns * BITS_PER_US / 1000})).sort((a, b) => a.bits - b.bits);
  const tables = await readTables();
  const timeline = new TimelineView(tables, violations, faults);
  showLegend(violations.length > 0, faults.length > 0);
  showHistograms();
  showFeedback(tables);
  showViolations(violations, timeline);
  showFaults(faults, timeline);
  showEntries(tables, violations, timeline);
  window.isochio = {timeline, tables};  // for a look from the browser's console
  document.documentElement.dataset.openedAfter = String(Math.round(performance.now()));
}
main();
})();
