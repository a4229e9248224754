// Where the page's data comes from: the hub's event stream; or, where that does not get through, asking again and again.
//
// The stream is read with fetch and not with EventSource, which cannot send a token.

const SILENCE = 6000; // the hub speaks every second
const POLL = 2000;
const RETRY = 15000;

/** The hub does not let us in: somebody has to give a token. */
export class Unauthorized extends Error {}

/**
 * Hands over what the hub says, for ever.
 *
 * listener.snapshot(data), listener.update(data): as the hub sends them; listener.state(name): "live", "polling",
 * "offline" or "asleep"; listener.token(): a promise of a new token.
 *
 * A page that nobody sees asks for nothing: a browser opens six connections to one host for all its tabs together, and
 * with six streams open a seventh tab would not even get the page.
 */
export class Live {
  constructor(listener) {
    this.listener = listener;
  }

  /** Begin, and never end. */
  async run() {
    for (;;) {
      await this.seen();
      try {
        await this.stream().catch((error) => document.hidden || this.poll(error));
      } catch (error) {
        if (!(error instanceof Unauthorized)) throw error;
        await this.listener.token();
      }
    }
  }

  /** Wait until somebody sees the page. */
  async seen() {
    while (document.hidden) {
      this.listener.state("asleep");
      await new Promise((done) => document.addEventListener("visibilitychange", done, { once: true }));
    }
  }

  /** Read the stream until it ends, or nobody sees the page; it does so with an error. */
  async stream() {
    const silence = new Watchdog(SILENCE);
    const hidden = () => document.hidden && silence.stop();
    document.addEventListener("visibilitychange", hidden);
    try {
      const response = await ask("api/v1/events", { signal: silence.signal });
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) throw new Error("the stream has ended");
        silence.pat();
        const events = (text + value).split("\n\n");
        text = events.pop();
        events.forEach((event) => this.take(event));
      }
    } finally {
      document.removeEventListener("visibilitychange", hidden);
      silence.stop();
    }
  }

  take(event) {
    const lines = Object.fromEntries(event.split("\n").map((line) => line.split(/: (.*)/s, 2)));
    if (lines.data === undefined) return;
    this.listener.state("live");
    if (lines.event === "snapshot") this.listener.snapshot(JSON.parse(lines.data));
    else if (lines.event === "update") this.listener.update(JSON.parse(lines.data));
  }

  /** The stream fails: ask for everything now and then, until it is time to try the stream again. */
  async poll(error) {
    let until = performance.now() + RETRY;
    do {
      if (error instanceof Unauthorized) throw error;
      try {
        this.listener.snapshot(await everything());
        this.listener.state("polling");
      } catch (failure) {
        error = failure;
        until = 0;
        this.listener.state("offline");
      }
      await new Promise((done) => setTimeout(done, POLL));
    } while ((performance.now() < until && !document.hidden) || error instanceof Unauthorized);
  }
}

async function everything() {
  const names = ["status", "agents", "exchanges?limit=50", "queue?limit=50", "journal", "history"];
  const answers = await Promise.all(names.map((name) => ask(`api/v1/${name}`)));
  const [status, agents, exchanges, queue, journal, history] = await Promise.all(answers.map((one) => one.json()));
  return { status, exchanges, queue, agents: agents.agents, journal: journal.happenings, points: history.points };
}

/** Fetch with the token, if there is one. Throws for every answer but a good one. */
export async function ask(path, options = {}) {
  const headers = { ...options.headers, "Slime-Admin": "1" };
  const token = sessionStorage.getItem("slime-token");
  if (token) headers.Authorization = `Bearer ${token}`;
  const response = await fetch(path, { ...options, headers, cache: "no-store", redirect: "error" });
  if (response.status === 401) throw new Unauthorized();
  if (!response.ok) throw new Error(await reason(response));
  return response;
}

async function reason(response) {
  try {
    return (await response.json()).detail;
  } catch {
    return `${response.status} ${response.statusText}`;
  }
}

/** Aborts what it watches when nobody pats it for too long. */
class Watchdog {
  constructor(patience) {
    this.controller = new AbortController();
    this.signal = this.controller.signal;
    this.patience = patience;
    this.pat();
  }

  pat() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.controller.abort(), this.patience);
  }

  stop() {
    clearTimeout(this.timer);
    this.controller.abort();
  }
}
