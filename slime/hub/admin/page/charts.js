// The four charts of the last hour: small, of lines and areas, with one time that all of them point at together.

import { clock, duration, figure } from "./format.js";
import { element, mark, say } from "./dom.js";

const WIDTH = 300;
const HEIGHT = 72;
const TOP = 6; // room for the line's width
const FOOT = 1;
const SHORTEST = 300; // seconds that are shown at least
const LONGEST = 3600;
const SVG = "http://www.w3.org/2000/svg";

/** What each chart draws: areas and lines by series, and what it says of one point and of now. */
const CHARTS = {
  rate: {
    areas: [["rate", "good"], ["failed", "bad"]],
    least: 1,
    value: (point) => `${figure(point.rate)}/s`,
    note: (point) => (point.failed ? `${figure(point.failed)}/s failed` : "none failed"),
    alarm: (point) => point.failed > 0,
  },
  first: {
    areas: [["first_byte_p95", "far"], ["first_byte_p50", "near"]],
    least: 0.01,
    value: (point) => duration(point.first_byte_p50),
    note: (point) => (point.first_byte_p95 === null ? "no answers" : `95 % within ${duration(point.first_byte_p95)}`),
  },
  slots: {
    areas: [["busy", "good"]],
    lines: [["slots", "rim"]],
    least: 1,
    value: (point) => (point.slots ? `${Math.round((100 * point.busy) / point.slots)} %` : "–"),
    note: (point) => (point.slots ? `${figure(point.busy)} of ${figure(point.slots)} busy` : "no slots"),
  },
  queue: {
    areas: [["waiting", "wait"]],
    least: 1,
    value: (point) => figure(point.waiting),
    note: (point) => (point.waiting ? "waited at most" : "nobody was in it"),
    alarm: (point) => point.waiting > 0,
  },
};

/** All charts; they share the window of time and the pointer. */
export class Charts {
  constructor(tiles) {
    this.points = { at: [] };
    this.charts = [...tiles].map((tile) => new Chart(tile, CHARTS[tile.dataset.chart], (index) => this.point(index)));
    this.pointed = null;
  }

  /** Begin anew with these columns. */
  reset(columns) {
    this.points = columns;
    this.draw();
  }

  /** Later points. */
  extend(columns) {
    if (!columns.at.length) return;
    const last = this.points.at.at(-1) ?? 0;
    const fresh = columns.at.findIndex((moment) => moment > last);
    if (fresh < 0) return;
    for (const [name, values] of Object.entries(columns)) {
      this.points[name] = [...(this.points[name] ?? []), ...values.slice(fresh)].slice(-LONGEST / 10);
    }
    this.draw();
  }

  /** What the big numbers say while nobody points at an earlier time. */
  now(texts) {
    this.texts = texts;
    if (this.pointed === null) this.tell();
  }

  draw() {
    const end = this.points.at.at(-1) ?? 0;
    const age = end - (this.points.at[0] ?? end);
    const span = Math.min(LONGEST, Math.max(SHORTEST, Math.ceil(age / 300) * 300));
    for (const chart of this.charts) chart.draw(this.points, end - span, end);
    this.tell();
  }

  /** Somebody points at a point, or, with null, at none. */
  point(index) {
    this.pointed = index === null || !this.points.at.length ? null : clamp(index, 0, this.points.at.length - 1);
    this.tell();
  }

  tell() {
    const index = this.pointed;
    for (const chart of this.charts) {
      if (index !== null) chart.tellPoint(index);
      else if (this.texts) chart.tellNow(this.texts[chart.name]);
    }
  }
}

class Chart {
  constructor(tile, plan, point) {
    this.name = tile.dataset.chart;
    this.title = tile.querySelector("h2").textContent;
    this.tile = tile;
    this.plan = plan;
    this.value = element("p", "value", "–");
    this.note = element("p", "note quiet");
    this.when = element("p", "when quiet");
    this.ceiling = element("span", "ceiling quiet");
    this.since = element("span", "since quiet");
    this.svg = shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" });
    this.plot = element("div", "plot", this.svg, this.ceiling, this.since);
    this.pointer = element("span", "pointer");
    this.plot.append(this.pointer);
    mark(this.plot, "tabindex", 0);
    mark(this.plot, "role", "img");
    tile.append(this.value, this.note, this.when, this.plot);
    this.listen(point);
  }

  listen(point) {
    this.plot.addEventListener("pointermove", (event) => point(this.nearest(event)));
    this.plot.addEventListener("pointerleave", () => point(null));
    this.plot.addEventListener("blur", () => point(null));
    this.plot.addEventListener("keydown", (event) => {
      const count = this.points.at.length;
      const from = this.index ?? count;
      const step = { ArrowLeft: from - 1, ArrowRight: from + 1, Home: 0, End: count - 1, Escape: null }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      point(step);
    });
  }

  draw(points, begin, end) {
    this.points = points;
    this.begin = begin;
    this.span = end - begin || 1;
    const { areas, lines = [] } = this.plan;
    const drawn = [...areas, ...lines].map(([name]) => points[name] ?? []);
    this.most = Math.max(this.plan.least, ...drawn.flat().filter((value) => value !== null));
    const half = this.y(this.most / 2);
    this.svg.replaceChildren(
      shape("line", { class: "grid", x1: 0, x2: WIDTH, y1: half, y2: half }),
      ...areas.flatMap(([name, look]) => this.area(points[name] ?? [], look)),
      ...lines.flatMap(([name, look]) => this.line(points[name] ?? [], look)),
    );
    say(this.ceiling, points.at.length ? this.label(this.most) : "");
    say(this.since, points.at.length ? `${Math.round(this.span / 60)} min` : "");
  }

  label(most) {
    return this.name === "first" ? duration(most) : figure(most);
  }

  area(values, look) {
    return this.runs(values, look === "bad").flatMap((run) => {
      const line = path(run);
      const foot = `L${run.at(-1)[0].toFixed(1)},${HEIGHT}L${run[0][0].toFixed(1)},${HEIGHT}Z`;
      return [shape("path", { class: `area ${look}`, d: line + foot }), shape("path", { class: `line ${look}`, d: line })];
    });
  }

  line(values, look) {
    return this.runs(values).map((run) => shape("path", { class: `line ${look}`, d: path(run) }));
  }

  /** The stretches of a series that have values, as places; of a rare one, that have any but zero. */
  runs(values, rare = false) {
    const runs = [[]];
    values.forEach((value, index) => {
      if (value !== null && !(rare && value === 0)) runs.at(-1).push([this.x(index), this.y(value)]);
      else if (runs.at(-1).length) runs.push([]);
    });
    return runs.filter((run) => run.length).map((run) => (run.length > 1 ? run : [[run[0][0] - 1.5, run[0][1]], run[0]]));
  }

  x(index) {
    return ((this.points.at[index] - this.begin) / this.span) * WIDTH;
  }

  y(value) {
    return HEIGHT - FOOT - (value / this.most) * (HEIGHT - FOOT - TOP);
  }

  nearest(event) {
    const box = this.plot.getBoundingClientRect();
    const moment = this.begin + ((event.clientX - box.left) / box.width) * this.span;
    let best = null;
    this.points.at.forEach((at, index) => {
      if (best === null || Math.abs(at - moment) < Math.abs(this.points.at[best] - moment)) best = index;
    });
    return best;
  }

  tellPoint(index) {
    this.index = index;
    const point = Object.fromEntries(Object.entries(this.points).map(([name, values]) => [name, values[index]]));
    this.tell(this.plan.value(point), this.plan.note(point), this.plan.alarm?.(point), clock(point.at));
    this.pointer.style.left = `${(this.x(index) / WIDTH) * 100}%`;
    this.pointer.hidden = false;
  }

  tellNow({ value, note, alarm }) {
    this.index = null;
    this.pointer.hidden = true;
    this.tell(value, note, alarm, "");
  }

  tell(value, note, alarm, when) {
    say(this.value, value);
    say(this.note, note);
    say(this.when, when);
    mark(this.tile, "data-alarm", alarm ? "yes" : null);
    mark(this.plot, "aria-label", `${this.title}: ${value}, ${note}${when ? ` at ${when}` : ""}. Arrow keys go back in time.`);
  }
}

function path(places) {
  return `M${places.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join("L")}`;
}

function shape(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  return made;
}

function clamp(number, low, high) {
  return Math.min(high, Math.max(low, number));
}
