// The rows of the page's lists. Each has a root element and an update(item); ages are counted on by tick(now).

import { age, bytes, clock, duration, figure, plural } from "./format.js";
import { element, mark, say } from "./dom.js";

const PILLS = 16;
const DOTS = 6;
const LINES = 3;
const STATES = {
  idle: "idle", working: "working", busy: "busy", paused: "paused", draining: "draining", drained: "drained",
  gone: "gone",
};

/** An agent: a row of the table. */
export class AgentRow {
  constructor(open) {
    this.name = element("button", "name");
    this.name.type = "button";
    this.name.addEventListener("click", () => open(this.agent));
    this.chip = element("span", "chip");
    this.about = element("div", "about quiet");
    this.pills = element("div", "pills");
    this.lines = element("div", "lines");
    this.cells = ["Round trip", "Service time", "Served"].map((label) => cell("number", label));
    this.machine = cell("machine quiet", "Machine");
    this.board = element("div", "");
    this.software = element("small", "");
    this.machine.append(this.board, this.software);
    const who = element("th", "who", element("div", "title", this.name, this.chip), this.about);
    mark(who, "scope", "row");
    this.root = element("tr", "agent", who, element("td", "work", this.pills, this.lines), ...this.cells, this.machine);
  }

  update(agent) {
    this.agent = agent;
    mark(this.root, "data-state", agent.state);
    say(this.name, agent.name || agent.agent_id);
    say(this.chip, STATES[agent.state] ?? agent.state);
    if (agent.state === "gone") this.showGone(agent);
    else this.showPresent(agent);
  }

  showPresent(agent) {
    say(this.about, agent.upstream.replace(/^http:\/\//, "") || agent.address);
    this.showSlots(agent.slots);
    this.showWork(agent.work, agent.slots);
    const figures = [duration(agent.rtt), duration(agent.service_time), figure(agent.served)];
    figures.forEach((text, index) => say(this.cells[index].firstChild, text));
    say(this.machine.firstChild, gpus(agent.hardware));
    say(this.board, board(agent.hardware));
    say(this.software, agent.software.replace("/", " "));
  }

  showGone(agent) {
    this.ages = [];
    say(this.about, agent.detail);
    this.pills.replaceChildren();
    this.lines.replaceChildren(element("p", "quiet", `left at ${clock(agent.at)}`));
    for (const one of [...this.cells, this.machine]) say(one.firstChild, "");
    say(this.board, "");
    say(this.software, "");
  }

  showSlots({ offered, busy, held }) {
    const few = Math.max(offered, busy) <= PILLS;
    const filled = few ? busy : Math.round((busy / Math.max(1, offered)) * PILLS);
    const all = few ? Math.max(offered, busy) : PILLS;
    const looks = Array.from({ length: all }, (_, index) => (index < filled ? "pill-busy" : "pill-free"));
    const classes = [...looks, ...Array.from({ length: Math.min(held, DOTS) }, () => "pill-held")].join();
    mark(this.pills, "role", "img");
    mark(this.pills, "aria-label", `${busy} of ${plural(offered, "slot")} busy${held ? `, ${held} held` : ""}`);
    mark(this.pills, "title", this.pills.getAttribute("aria-label"));
    if (this.pills.dataset.looks === classes) return;
    this.pills.dataset.looks = classes;
    this.pills.replaceChildren(...classes.split(",").filter(Boolean).map((look) => element("i", look)));
    if (!few) this.pills.append(element("span", "quiet", `${busy} of ${offered}`));
  }

  showWork(work, slots) {
    const shown = work.filter((one) => one.phase !== "ending").slice(0, LINES);
    this.ages = [];
    this.lines.replaceChildren(...shown.map((one) => this.workLine(one)));
    const more = slots.busy + slots.held - shown.length;
    if (shown.length && more > 0) this.lines.append(element("p", "quiet", `and ${more} more`));
  }

  workLine(one) {
    const time = element("span", "age");
    this.ages.push([time, one.started_at ?? one.queued_at]);
    const line = element("p", "", call(one), " ", time);
    mark(line, "data-phase", one.phase);
    return line;
  }

  tick(now) {
    for (const [target, since] of this.ages ?? []) say(target, age(now - since));
  }
}

/** An exchange that waits, or that is in progress. */
export class ExchangeRow {
  constructor() {
    this.chip = element("span", "chip");
    this.where = element("span", "where quiet");
    this.flow = element("span", "flow quiet");
    this.age = element("span", "age");
    this.root = element("li", "exchange", this.chip, this.where, this.flow, this.age);
  }

  update(exchange) {
    this.since = exchange.queued_at;
    if (!this.call) this.chip.after((this.call = call(exchange)));
    const again = exchange.requeues ? `, for the ${exchange.requeues + 1}. time` : "";
    const moved = [exchange.bytes_in && `${bytes(exchange.bytes_in)} in`, exchange.bytes_out && `${bytes(exchange.bytes_out)} out`];
    say(this.where, (exchange.agent ? `at ${exchange.agent}` : `from ${exchange.application}`) + again);
    say(this.flow, moved.filter(Boolean).join(", "));
    say(this.chip, exchange.phase);
    mark(this.root, "data-phase", exchange.phase);
  }

  tick(now) {
    say(this.age, age(now - this.since));
  }
}

const HAPPENINGS = {
  joined: "joined", left: "left", drained: "was drained", undrained: "may work again", disconnected: "was disconnected",
  revoked: "Token revoked", restored: "Token accepted again",
};

/** A line of the journal. */
export class HappeningRow {
  constructor() {
    this.time = element("time", "quiet");
    this.text = element("span", "");
    this.root = element("li", "", this.time, this.text);
  }

  update(happening) {
    const what = HAPPENINGS[happening.kind] ?? happening.kind;
    const preposition = happening.kind === "joined" ? " from " : ": ";
    const detail = happening.detail ? `${preposition}${happening.detail}` : "";
    say(this.time, clock(happening.at));
    say(this.text, `${happening.agent} ${what}${detail}`.trim());
    mark(this.root, "data-kind", happening.kind);
  }
}

/** A machine's GPUs, the same ones counted: "2 × NVIDIA A100". */
function gpus(report) {
  const counts = new Map();
  for (const name of Array.isArray(report.gpus) ? report.gpus : []) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].map(([name, count]) => (count > 1 ? `${count} × ${name}` : name)).join(", ");
}

/** The rest of a machine. */
function board({ platform, cores, threads, memory }) {
  const known = [cores && plural(cores, "core"), threads && plural(threads, "thread"), memory && bytes(memory), platform];
  return known.filter(Boolean).map(String).join(", ");
}

function call(exchange) {
  const path = element("span", "path", exchange.path);
  path.title = exchange.path;
  return element("span", "call", element("b", "", exchange.method), " ", path);
}

function cell(className, label) {
  const made = element("td", className, element("span", ""));
  made.dataset.label = label;
  return made;
}
