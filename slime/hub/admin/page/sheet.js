// The sheet of one agent: everything that is known of it, and what can be done to it.

import { byId, element, say } from "./dom.js";
import { ask } from "./live.js";
import { bytes, clock, duration, plural } from "./format.js";

const SURE = 4000; // milliseconds in which a second press means it

/** A dialog that is opened for an agent and follows its changes. */
export class Sheet {
  constructor() {
    this.root = byId("sheet");
    this.said = byId("sheet-said");
    this.buttons = [...this.root.querySelectorAll("[data-action]")];
    for (const button of this.buttons) {
      button.dataset.label = button.textContent;
      button.addEventListener("click", () => this.press(button));
    }
  }

  open(agent) {
    say(this.said, "");
    this.update(agent);
    this.root.showModal();
  }

  /** The agent has changed, or is gone. */
  update(agent) {
    this.agent = agent;
    say(byId("sheet-title"), agent.name || agent.agent_id);
    byId("sheet-facts").replaceChildren(
      ...facts(agent).filter(([, value]) => value).flatMap(([name, value]) => [element("dt", "", name), element("dd", "", value)]),
    );
    const gone = agent.state === "gone";
    const drained = agent.state === "drained" || agent.state === "draining";
    for (const button of this.buttons) {
      button.hidden = { drain: gone || drained, undrain: gone || !drained, disconnect: gone }[button.dataset.action] ?? false;
    }
  }

  follow(agents) {
    const agent = this.root.open && agents.get(this.agent.key);
    if (agent) this.update(agent);
  }

  press(button) {
    if (button.classList.contains("danger") && !button.dataset.sure) {
      button.dataset.sure = "yes";
      button.textContent = `${button.dataset.label}: sure?`;
      setTimeout(() => calm(button), SURE);
      return;
    }
    calm(button);
    this.act(button.dataset.action);
  }

  async act(action) {
    try {
      const response = await (action === "revoke" ? revoke(this.agent) : tell(this.agent, action));
      say(this.said, `Done: ${(await response.json()).done}.`);
    } catch (error) {
      say(this.said, `That did not work: ${error.message || "a token is needed"}.`);
    }
  }
}

function calm(button) {
  delete button.dataset.sure;
  button.textContent = button.dataset.label;
}

function tell(agent, action) {
  const place = [agent.token_id, agent.agent_id].map(encodeURIComponent).join("/");
  return ask(`api/v1/agents/${place}/${action}`, { method: "POST" });
}

function revoke(agent) {
  const headers = { "Content-Type": "application/json" };
  return ask("api/v1/revocations", { method: "POST", headers, body: JSON.stringify({ token_id: agent.token_id }) });
}

function facts(agent) {
  const { slots } = agent;
  return [
    ["State", agent.state],
    ["Slots", slots && `${slots.busy} of ${plural(slots.offered, "slot")} busy, ${slots.held} held`],
    ["Upstream", agent.upstream],
    ["Address", agent.address],
    [agent.state === "gone" ? "Left" : "Joined", clock(agent.joined_at ?? agent.at)],
    ["Why", agent.detail],
    ["Round trip", agent.rtt === undefined ? "" : duration(agent.rtt)],
    ["Service time", agent.rtt === undefined ? "" : duration(agent.service_time)],
    ["Scopes", (agent.scopes ?? []).join(", ")],
    ["Paths", (agent.scope_paths ?? []).join(", ")],
    ["Software", agent.software],
    ...Object.entries(agent.hardware ?? {}).map(([name, value]) => [titled(name), show(name, value)]),
    ["Agent id", agent.agent_id],
    ["Token id", agent.token_id],
    ["Token until", agent.token_expires_at ? new Date(agent.token_expires_at * 1000).toLocaleString("en-GB") : ""],
  ];
}

const TITLES = new Map([["gpus", "GPUs"], ["macs", "MAC addresses"], ["memory_physical", "Memory built in"]]);

const titled = (name) => TITLES.get(name) ?? name.charAt(0).toUpperCase() + name.slice(1).replaceAll("_", " ");

function show(name, value) {
  if (name.startsWith("memory") && typeof value === "number") return bytes(value);
  return Array.isArray(value) ? value.join(", ") : String(value);
}
