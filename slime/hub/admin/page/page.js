// The page as a whole: what the hub says goes to the charts and the lists.

import { Charts } from "./charts.js";
import { Keyed, byId, mark, say } from "./dom.js";
import { age, duration, figure, plural } from "./format.js";
import { Live } from "./live.js";
import { AgentRow, ExchangeRow, HappeningRow } from "./rows.js";
import { Sheet } from "./sheet.js";

const TITLE = "slime hub";
const SHOWN_AGENTS = 200;
const SHOWN_EXCHANGES = 10;
const SHOWN_HAPPENINGS = 8;
const REMEMBER_GONE = 600; // seconds for which an agent that is gone is shown
const FILTER_FROM = 8; // agents from which on there is a filter

class Page {
  constructor() {
    this.agents = new Map();
    this.journal = [];
    this.sheet = new Sheet();
    this.charts = new Charts(document.querySelectorAll("[data-chart]"));
    this.agentRows = new Keyed(byId("agent-rows"), (agent) => agent.key, () => new AgentRow((agent) => this.sheet.open(agent)));
    this.queueRows = new Keyed(byId("queue-rows"), (exchange) => exchange.id, () => new ExchangeRow());
    this.runningRows = new Keyed(byId("running-rows"), (exchange) => exchange.id, () => new ExchangeRow());
    this.journalRows = new Keyed(byId("journal-rows"), (one) => `${one.at} ${one.kind} ${one.key}`, () => new HappeningRow());
    byId("filter").addEventListener("input", () => this.showAgents());
    document.addEventListener("keydown", (event) => shortcut(event));
    setInterval(() => this.tick(), 1000);
  }

  // -- what Live tells -------------------------------------------------------------------------------------------

  snapshot(data) {
    this.agents = new Map(data.agents.map((agent) => [agent.key, agent]));
    this.charts.reset(data.points);
    this.show(data);
  }

  update(data) {
    for (const key of data.gone) this.agents.delete(key);
    for (const agent of data.agents) this.agents.set(agent.key, agent);
    this.charts.extend(data.points);
    this.show(data);
  }

  state(name) {
    mark(byId("live"), "data-state", name);
    say(byId("live"), name);
    mark(document.body, "data-state", name);
    if (name !== "live" && name !== "polling") document.title = TITLE;
  }

  async token() {
    const dialog = byId("ask-token");
    this.state("locked");
    dialog.showModal();
    await new Promise((done) => dialog.addEventListener("close", done, { once: true }));
    sessionStorage.setItem("slime-token", byId("token").value);
    byId("token").value = "";
  }

  // -- showing ---------------------------------------------------------------------------------------------------

  show({ status, exchanges, queue, journal }) {
    this.status = status;
    this.journal = journal;
    this.ahead = status.now - Date.now() / 1000;
    this.showHub(status);
    this.charts.now(tileTexts(status));
    this.showAgents();
    this.sheet.follow(this.agents);
    this.showExchanges("queue", queue.waiting, queue.length, this.queueRows);
    const running = exchanges.exchanges.filter((one) => one.phase !== "waiting");
    this.showExchanges("running", running, exchanges.total - queue.length, this.runningRows);
    this.journalRows.show(journal.slice(0, SHOWN_HAPPENINGS));
    byId("journal-none").hidden = journal.length > 0;
    this.tick();
  }

  showHub(status) {
    const busy = status.slots.busy;
    document.title = `${status.queue.length ? `(${status.queue.length}) ` : ""}${TITLE}`;
    const state = status.state === "draining" ? "draining, takes nothing new · " : "";
    this.about = () => `${state}version ${status.version} · up ${age(this.now - status.started_at)}`;
    say(byId("agents-count"), `${plural(status.agents, "agent")} · ${plural(busy + status.slots.free, "slot")}`);
    say(byId("lag"), `reactor late by ${duration(status.lately.lag)} at most · ${plural(status.connections, "connection")}`);
  }

  showAgents() {
    const wanted = byId("filter").value.trim().toLowerCase();
    const all = [...this.agents.values(), ...this.goneAgents()];
    const found = wanted ? all.filter((agent) => JSON.stringify(agent).toLowerCase().includes(wanted)) : all;
    found.sort((one, other) => left(other) - left(one) || one.name.localeCompare(other.name) || compare(one.key, other.key));
    this.agentRows.show(found.slice(0, SHOWN_AGENTS));
    byId("filter").closest("label").hidden = !wanted && all.length < FILTER_FROM;
    const none = byId("agents-none");
    const hidden = found.length - SHOWN_AGENTS;
    none.hidden = found.length > 0 && hidden <= 0;
    say(none, hidden > 0 ? `and ${plural(hidden, "more agent")}: filter to see them` : all.length ? "No agent fits." : WELCOME);
  }

  /** Agents that have left lately and have not come back; one line each. */
  goneAgents() {
    const gone = new Map();
    for (const happening of this.journal) {
      const { key, kind, at } = happening;
      if (kind !== "left" || this.agents.has(key) || gone.has(key) || at < this.now - REMEMBER_GONE) continue;
      const [token_id, agent_id] = split(key);
      gone.set(key, { key, token_id, agent_id, name: happening.agent, state: "gone", at, detail: happening.detail });
    }
    return gone.values();
  }

  showExchanges(name, shown, total, rows) {
    rows.show(shown.slice(0, SHOWN_EXCHANGES));
    const more = total - Math.min(shown.length, SHOWN_EXCHANGES);
    say(byId(`${name}-count`), total ? (more > 0 ? `${figure(total)}, the oldest first` : figure(total)) : "");
    byId(`${name}-none`).hidden = total > 0;
  }

  get now() {
    return Date.now() / 1000 + (this.ahead ?? 0);
  }

  tick() {
    for (const rows of [this.agentRows, this.queueRows, this.runningRows]) {
      for (const row of rows.rows.values()) row.tick(this.now);
    }
    if (this.about) say(byId("about"), this.about());
  }
}

const WELCOME = "No agent is linked. Make a token with “slime hub register” and start “slime agent run” beside an upstream.";

function tileTexts({ lately, slots, queue }) {
  const all = slots.busy + slots.free;
  return {
    rate: { value: `${figure(lately.rate)}/s`, note: lately.failed ? `${figure(lately.failed)}/s failed` : "none failed", alarm: lately.failed > 0 },
    first: { value: duration(lately.first_byte_p50), note: lately.first_byte_p95 === null ? "no answers lately" : `95 % within ${duration(lately.first_byte_p95)}` },
    slots: { value: all ? `${Math.round((100 * slots.busy) / all)} %` : "–", note: all ? `${slots.busy} of ${all} busy` : "no slots" },
    queue: { value: figure(queue.length), note: waitingNote(queue, slots.held), alarm: queue.length > 0 },
  };
}

/** Requests that were sent ahead wait as well, but at their agents, and are not in the queue. */
function waitingNote(queue, held) {
  const first = queue.length ? `the first for ${age(queue.head_age)}` : "nobody in it";
  return held ? `${first}, ${figure(held)} sent ahead` : first;
}

/** When an agent left: those that have not, first, then whoever did so last. */
const left = (agent) => (agent.state === "gone" ? agent.at : Number.MAX_VALUE);
const compare = (one, other) => (one < other ? -1 : 1);
const split = (key) => [key.slice(0, key.lastIndexOf("/")), key.slice(key.lastIndexOf("/") + 1)];

function shortcut(event) {
  if (event.key !== "/" || event.target.matches("input") || byId("filter").closest("label").hidden) return;
  event.preventDefault();
  byId("filter").focus();
}

// -- colours ---------------------------------------------------------------------------------------------------------

const THEMES = ["as the system has them", "light", "dark"];

function theme(name) {
  mark(document.documentElement, "data-theme", name === THEMES[0] ? null : name);
  mark(byId("theme"), "aria-label", `Colours: ${name}`);
  mark(byId("theme"), "title", `Colours: ${name}`);
  localStorage.setItem("slime-theme", name);
}

byId("theme").addEventListener("click", () => {
  const now = localStorage.getItem("slime-theme") ?? THEMES[0];
  theme(THEMES[(THEMES.indexOf(now) + 1) % THEMES.length]);
});
theme(THEMES.includes(localStorage.getItem("slime-theme")) ? localStorage.getItem("slime-theme") : THEMES[0]);

new Live(new Page()).run();
