// @ts-check
"use strict";
// The status page: takes a snapshot and then changes from /events and shows them. Everything that comes from the server
// is put into the page as text, never as markup. board.py has the model.

(() => {
  // Milliseconds. The server sends a heartbeat every 5 s; after three that did not come the connection counts as lost.
  const SILENCE = 15_000;
  // Milliseconds until a connection that the browser has given up (the server refused it) is tried again.
  const RETRY = 3_000;

  const STATUS = /** @type {Record<string, [string, string]>} */ ({
    received: ["○", "received"],
    executed: ["○", "executed"],
    available: ["○", "available"],
    verified: ["✓", "verified"],
    disputed: ["⚠", "disputed"],
    invalid: ["✗", "invalid"],
  });
  const VERDICT = /** @type {Record<string, string>} */ ({ ATTEST: "✓", REJECT: "✗", HOLD: "◼" });
  const VOTE = /** @type {Record<string, [string, string]>} */ ({
    VALID: ["✓", "valid"],
    INVALID: ["✗", "invalid"],
    ABSTAIN: ["–", "abstain"],
  });
  const MODES = /** @type {Record<string, string>} */ ({
    "every-block": "every block is judged",
    "epoch-target": "targets of epochs are judged",
    monitor: "judges, gates nothing",
  });
  const HOLDS = /** @type {Record<string, string>} */ ({
    syncing: "then answers SYNCING",
    error: "then answers an error",
    pass: "then passes",
  });

  /** @type {any} */
  let profile = null;
  /** @type {Map<string, any>} */
  const blocks = new Map();
  /** @type {Map<string, {main: HTMLTableRowElement, details: HTMLTableRowElement, button: HTMLButtonElement, age: HTMLElement}>} */
  const shown = new Map();
  /** @type {any} */
  let sections = {};
  let offset = 0; // seconds that the server's clock is ahead of this one
  let heard = 0; // when the last message came
  let live = false;
  /** @type {EventSource | null} */
  let source = null;

  const byId = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
  /**
   * @param {string} tag
   * @param {string} className
   * @param {...(Node | string)} children
   */
  const element = (tag, className, ...children) => {
    const made = document.createElement(tag);
    if (className) made.className = className;
    made.append(...children);
    return made;
  };

  const now = () => Date.now() / 1000 + offset;
  /** @param {number} ms */
  const duration = (ms) => (ms < 10 ? `${ms.toFixed(1)} ms` : ms < 999.5 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`);
  /** @param {number} at */
  const age = (at) => {
    const seconds = Math.max(0, Math.round(now() - at));
    if (seconds < 60) return `${seconds} s`;
    if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
    if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h`;
    return `${Math.floor(seconds / 86_400)} d`;
  };
  /** @param {number} at */
  const ago = (at) => {
    const time = document.createElement("time");
    time.dateTime = new Date(at * 1000).toISOString();
    time.title = new Date(at * 1000).toLocaleString();
    time.dataset.at = String(at);
    time.textContent = `${age(at)} ago`;
    return time;
  };
  /** @param {number} bytes */
  const size = (bytes) => (bytes < 1_000_000 ? `${(bytes / 1000).toFixed(0)} kB` : `${(bytes / 1_000_000).toFixed(2)} MB`);
  /** @param {string} hash */
  const short = (hash) => `${hash.slice(0, 10)}…`;
  /**
   * @param {string} sign
   * @param {string} word
   * @param {string} className
   */
  const signed = (sign, word, className) => {
    const mark = element("span", "mark", sign);
    mark.setAttribute("aria-hidden", "true");
    return element("span", className, mark, ` ${word}`);
  };

  // --- the matrix ---

  /**
   * @param {string} label
   * @param {string} className
   * @param {...(Node | string)} children
   */
  const cell = (label, className, ...children) => {
    const made = element("td", children.length ? className : "blank", ...children);
    made.setAttribute("role", "cell");
    if (label) made.dataset.label = label;
    return made;
  };

  /** @param {any} block */
  const underWay = (block) => {
    if (block.status === "verified" || block.status === "invalid" || (block.verdict && block.verdict.final)) return false;
    return Boolean(block.witness && !block.witness.failed);
  };

  /**
   * @param {any} block
   * @param {any} adapter
   */
  const voteCell = (block, adapter) => {
    const label = adapter.role === "late" ? `${adapter.name} (late)` : adapter.name;
    const vote = block.votes[adapter.name];
    if (!vote) {
      if (!underWay(block)) return cell(label, "");
      return cell(label, "", signed("…", "waiting", "vote waiting"));
    }
    const time = vote.ms ? duration(vote.ms) : "";
    const [sign, kind] = VOTE[vote.kind] || ["?", "abstain"];
    const cause = vote.reason.split(":", 1)[0].replaceAll("_", " ");
    const word = kind === "valid" ? time || "valid" : kind === "invalid" ? "INVALID" : cause || "abstains";
    const content = signed(sign, word, `vote ${kind}`);
    if (kind === "valid" && time) content.append(element("span", "unseen", " valid"));
    if (kind !== "valid" && time) content.append(element("small", "", time));
    const whole = cell(label, `is-${kind}`, content);
    if (vote.reason) whole.title = vote.reason;
    return whole;
  };

  /** @param {any} block */
  const verdictCell = (block) => {
    const verdict = block.verdict;
    if (!verdict) return cell("Verdict", "wide", ...(underWay(block) ? [signed("…", "waiting", "vote waiting")] : []));
    const kind = verdict.verdict.toLowerCase();
    const content = signed(VERDICT[verdict.verdict] || "?", verdict.verdict, `vote ${kind}`);
    const counted = `${verdict.valid.length} of ${profile.lineages}`;
    content.append(element("small", "", `${counted}, ${duration(verdict.ms)}`));
    if (verdict.disagreement) content.append(element("small", "invalid", "results differ"));
    return cell("Verdict", `wide is-${kind === "attest" ? "valid" : kind === "reject" ? "invalid" : "abstain"}`, content);
  };

  /** @param {any} block */
  const statusCell = (block) => {
    if (!block.status) return cell("Status", "");
    const [sign, word] = STATUS[block.status] || ["?", block.status];
    const content = signed(sign, block.anchor ? "anchor" : word, `state ${block.status}`);
    if (block.witness && block.witness.failed) content.append(element("small", "hold", "no witness"));
    return cell("Status", "wide", content);
  };

  /** @param {any} block */
  const answerCell = (block) => {
    if (!block.answer) return cell("Engine gate", "");
    const content = element("span", block.answer.gated ? "vote hold" : "vote", block.answer.answer);
    if (block.answer.ms) content.append(element("small", "", `held ${duration(block.answer.ms)}`));
    const made = cell("Engine gate", "wide", content);
    if (block.answer.reason) made.title = block.answer.reason;
    return made;
  };

  /** @param {any} block */
  const details = (block) => {
    /** @type {[string, string][]} */
    const pairs = [["Hash", block.hash]];
    if (block.transactions !== null) {
      pairs.push(["Payload", `${block.transactions} transactions, ${block.gas_used.toLocaleString("en")} gas`]);
    }
    if (block.execution) {
      pairs.push(["Execution client", `${block.execution.status} after ${duration(block.execution.ms)}`]);
    }
    if (block.witness) {
      const { failed, bytes, ms, source: from } = block.witness;
      pairs.push(["Witness", failed || `${size(bytes)} by ${from} in ${duration(ms)}`]);
    }
    if (block.where) pairs.push(["Parts at", block.where]);
    if (block.why) pairs.push(["Status", `${block.status}: ${block.why}`]);
    if (block.verdict) {
      const { valid, invalid, abstaining, expired, final } = block.verdict;
      const lists = [["valid", valid], ["invalid", invalid], ["abstaining", abstaining]];
      const text = lists.filter(([, names]) => names.length).map(([word, names]) => `${word}: ${names.join(", ")}`);
      if (expired) text.push("the deadline passed");
      if (!final) text.push("votes are still awaited");
      pairs.push(["Verdict", text.join("; ")]);
    }
    for (const [name, vote] of Object.entries(block.votes)) {
      const fields = vote.fields.length ? ` (${vote.fields.join(", ")})` : "";
      const late = vote.late ? ", after the verdict" : "";
      pairs.push([name, `${vote.kind} after ${duration(vote.ms)}${late}${vote.reason ? `: ${vote.reason}` : ""}${fields}`]);
    }
    if (block.answer) {
      pairs.push(["Engine gate", `${block.answer.answer}${block.answer.reason ? `: ${block.answer.reason}` : ""}`]);
    }
    return element("dl", "", ...pairs.flatMap(([word, text]) => [element("dt", "", word), element("dd", "", text)]));
  };

  const columns = () => {
    const titles = ["Block", "Age", "Status", "Verdict", "Engine gate"].map((title) => element("th", "", title));
    for (const adapter of profile.adapters) {
      const below = { executor: "executor", late: "late", live: "" }[/** @type {"live"} */ (adapter.role)];
      const title = element("th", "", adapter.name);
      const lineage = adapter.lineage === adapter.name ? "" : adapter.lineage;
      const text = [lineage, below].filter(Boolean).join(", ");
      if (text) title.append(element("small", "", text));
      titles.push(title);
    }
    for (const title of titles) {
      title.setAttribute("scope", "col");
      title.setAttribute("role", "columnheader");
    }
    byId("columns").replaceChildren(...titles);
  };

  /** @param {string} hash */
  const newRow = (hash) => {
    const main = /** @type {HTMLTableRowElement} */ (element("tr", "new"));
    const below = /** @type {HTMLTableRowElement} */ (element("tr", "details"));
    for (const row of [main, below]) row.setAttribute("role", "row");
    main.dataset.hash = hash;
    below.hidden = true;
    below.id = `details-${hash}`;
    const button = /** @type {HTMLButtonElement} */ (element("button", "block"));
    button.type = "button";
    button.setAttribute("aria-expanded", "false");
    button.setAttribute("aria-controls", below.id);
    button.addEventListener("click", () => {
      below.hidden = !below.hidden;
      button.setAttribute("aria-expanded", String(!below.hidden));
      fill(hash);
    });
    const head = element("th", "", button);
    head.setAttribute("role", "rowheader");
    head.setAttribute("scope", "row");
    main.append(head);
    const made = { main, details: below, button, age: element("span", "nowrap") };
    shown.set(hash, made);
    return made;
  };

  /** @param {string} hash */
  const fill = (hash) => {
    const block = blocks.get(hash);
    const row = shown.get(hash) || newRow(hash);
    row.button.replaceChildren(element("b", "", String(block.number)), " ", element("span", "hash", short(block.hash)));
    row.age.dataset.at = String(block.received ?? block.seen);
    row.age.textContent = age(block.received ?? block.seen);
    const cells = [
      cell("Age", "", row.age),
      statusCell(block),
      verdictCell(block),
      answerCell(block),
      ...profile.adapters.map((/** @type {any} */ adapter) => voteCell(block, adapter)),
    ];
    while (row.main.children.length > 1) row.main.lastElementChild?.remove();
    row.main.append(...cells);
    row.main.dataset.status = block.status || "";
    if (!row.details.hidden) {
      const whole = cell("", "whole", details(block));
      whole.setAttribute("colspan", String(cells.length + 1));
      row.details.replaceChildren(whole);
    }
  };

  const arrange = () => {
    const order = [...blocks.values()].sort(
      (a, b) => b.number - a.number || b.seen - a.seen || (a.hash < b.hash ? 1 : -1),
    );
    for (const [hash, row] of shown) {
      if (blocks.has(hash)) continue;
      row.main.remove();
      row.details.remove();
      shown.delete(hash);
    }
    const body = byId("rows");
    let at = body.firstElementChild;
    for (const block of order) {
      const row = shown.get(block.hash);
      for (const tr of row ? [row.main, row.details] : []) {
        if (tr === at) at = at.nextElementSibling;
        else body.insertBefore(tr, at);
      }
    }
    byId("no-blocks").hidden = order.length > 0;
  };

  // --- everything else ---

  /**
   * @param {string} id
   * @param {string} value
   * @param {string} below
   * @param {string} className
   */
  const tile = (id, value, below, className) => {
    const made = byId(`tile-${id}`);
    made.className = className;
    /** @type {HTMLElement} */ (made.querySelector("b")).textContent = value;
    /** @type {HTMLElement} */ (made.querySelector("dd span")).textContent = below;
  };

  /**
   * @param {string} id
   * @param {HTMLElement[]} items
   */
  const list = (id, items) => {
    const made = byId(id);
    made.replaceChildren(...(items.length ? items : [element("li", "none", "None.")]));
    if (items.length > 2) made.tabIndex = 0; // it scrolls, so the keyboard must reach it
    else made.removeAttribute("tabindex");
  };

  const summary = () => {
    const { gate, holds, disputes, alarms } = sections;
    const opened = gate.state && gate.state.endsWith("open");
    const sign = gate.state ? (opened ? "✓ " : "◼ ") : "";
    const word = gate.state ? gate.state[0].toUpperCase() + gate.state.slice(1) : "Waiting";
    tile("gate", sign + word, gate.number === null ? "no block judged yet" : `for block ${gate.number}`, gate.state ? (opened ? "good" : "bad") : "");
    const held = profile.mode === "monitor" ? "" : `, holds up to ${profile.hold_seconds} s, ${HOLDS[profile.hold] || profile.hold}`;
    tile("mode", profile.mode, `${MODES[profile.mode] || ""}${held}${profile.input === "proof" ? "" : `; ${profile.input}: unproven`}`, profile.mode === "monitor" ? "wait" : "");
    tile("quorum", `${profile.required} of ${profile.lineages}`, `lineages; ${profile.rejecting} INVALID reject`, "");
    tile("holds", String(holds.length), holds.length ? "blocks undecided" : "no block is undecided", holds.length ? "wait" : "");
    tile("disputes", String(disputes.length), disputes.length ? "clients contradict" : "no contradiction", disputes.length ? "bad" : "");
    const last = alarms[0];
    tile("alarms", String(alarms.length), last ? `last: ${last.name}` : "since the start", last ? "wait" : "");
  };

  const attention = () => {
    const about = (/** @type {any} */ entry) =>
      element("li", "", element("b", "", `Block ${entry.number} `), element("span", "hash", short(entry.hash)), " since ", ago(entry.since), element("div", "", entry.why));
    const contested = (/** @type {any} */ entry) => {
      const made = about(entry);
      if (entry.where) made.append(element("div", "where", entry.where));
      if (entry.conclusion) made.append(element("div", "", entry.conclusion));
      if (entry.id) made.append(element("div", "hash", `verifier dispute show ${entry.id}`));
      return made;
    };
    list("holds", sections.holds.map(about));
    list("disputes", sections.disputes.map(contested));
    byId("quarantine").hidden = sections.quarantined.length === 0;
    list(
      "quarantined",
      sections.quarantined.map((/** @type {any} */ entry) =>
        element("li", "", element("b", "", entry.adapter), " since ", ago(entry.since), element("div", "", entry.why)),
      ),
    );
    list(
      "alarms",
      sections.alarms.map((/** @type {any} */ alarm) =>
        element("li", "", element("b", "", alarm.name), alarm.count > 1 ? ` × ${alarm.count} ` : " ", ago(alarm.last), element("div", "", alarm.text)),
      ),
    );
  };

  const answers = () => {
    const rows = sections.answers.map((/** @type {any} */ entry) => {
      const row = element(
        "tr",
        "",
        cell("Gate", "", entry.gate),
        cell("Request", "wide", entry.request),
        cell("Answer", "", element("span", entry.gated ? "vote hold" : "vote", entry.gated ? `◼ ${entry.answer}` : entry.answer)),
        cell("Times", "number", String(entry.count)),
        cell("Last", "nowrap", ago(entry.last)),
        cell("Reason", "wide", ...(entry.reason ? [entry.reason] : [])),
      );
      row.setAttribute("role", "row");
      return row;
    });
    byId("answers").replaceChildren(...rows);
    byId("no-answers").hidden = rows.length > 0;
  };

  /** @param {any[] | undefined} conditions */
  const readiness = (conditions) => {
    if (!conditions) return;
    const unmet = conditions.filter((each) => !each.met);
    const banner = byId("unready");
    banner.hidden = unmet.length === 0;
    const text = unmet.map((each) => each.name.replaceAll("_", " ") + (each.detail ? ` (${each.detail})` : ""));
    banner.textContent = unmet.length ? `⚠ Not ready: ${text.join("; ")}` : "";
  };

  /** @param {any} before */
  const announce = (before) => {
    const said = [];
    if (sections.disputes.length > before.disputes.length) said.push(`Dispute about block ${sections.disputes[0].number}`);
    if (sections.alarms.length > before.alarms.length) said.push(`Alarm ${sections.alarms[0].name}`);
    if (said.length) byId("announcement").textContent = said.join(". ");
  };

  const connection = () => {
    const silent = Date.now() - heard > SILENCE;
    const state = live && !silent ? "live" : heard ? "lost" : "connecting";
    const pill = byId("connection");
    if (pill.dataset.state !== state) {
      pill.dataset.state = state;
      const [sign, word] = { live: ["●", "Live"], lost: ["⚠", "Connection lost"], connecting: ["…", "Connecting"] }[state];
      pill.replaceChildren(signed(sign, word, ""));
    }
    const stale = state === "lost";
    document.body.classList.toggle("stale", stale);
    const banner = byId("stale");
    if (banner.hidden === stale) {
      banner.hidden = !stale;
      const since = new Date(heard).toLocaleTimeString();
      banner.textContent = stale ? `⚠ The connection is lost. What is shown is as of ${since}; trying again.` : "";
    }
    if (silent && live) connect(); // it is open and nothing comes: start anew
  };

  /** @param {MessageEvent} message */
  const read = (message) => {
    const data = JSON.parse(message.data);
    offset = data.now - Date.now() / 1000;
    heard = Date.now();
    live = true;
    connection();
    return data;
  };

  const connect = () => {
    source?.close();
    live = false;
    const opened = new EventSource("events");
    source = opened;
    opened.addEventListener("snapshot", (message) => {
      const data = read(message);
      profile = data.profile;
      sections = data;
      blocks.clear();
      for (const block of data.blocks) blocks.set(block.hash, block);
      byId("version").textContent = profile.version;
      columns();
      for (const hash of blocks.keys()) fill(hash);
      arrange();
      summary();
      attention();
      answers();
      readiness(data.conditions);
    });
    opened.addEventListener("changes", (message) => {
      const data = read(message);
      for (const hash of data.gone) blocks.delete(hash);
      for (const block of data.rows) {
        blocks.set(block.hash, block);
        fill(block.hash);
      }
      if (data.rows.length || data.gone.length) arrange();
      const before = sections;
      sections = { ...sections, ...data };
      summary();
      if (data.holds || data.disputes || data.alarms) attention();
      if (data.answers) answers();
      announce(before);
    });
    opened.addEventListener("conditions", (message) => readiness(read(message).conditions));
    opened.addEventListener("heartbeat", read);
    opened.addEventListener("error", () => {
      if (opened !== source) return;
      live = false;
      connection();
      if (opened.readyState === EventSource.CLOSED) setTimeout(connect, RETRY);
    });
  };

  setInterval(() => {
    for (const each of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-at]"))) {
      const text = age(Number(each.dataset.at)) + (each.tagName === "TIME" ? " ago" : "");
      if (each.textContent !== text) each.textContent = text;
    }
    connection();
  }, 1000);
  connect();
})();
