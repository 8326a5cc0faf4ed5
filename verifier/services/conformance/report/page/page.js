// @ts-check
"use strict";
// The conformance page: filters and shows the tests, which stand in this file as JSON (rows.py has their form). Whatever
// comes from a fixture or a client is put into the page as text, never as markup.

(() => {
  const PAGE = 50; // tests shown at first, and more at a time
  const STATES = /** @type {Record<string, [string, string, string, string]>} */ ({
    d: ["✗", "differs", "differs", "is-bad"],
    c: ["?", "cannot tell", "untold", "is-wait"],
    n: ["!", "not run", "differs", "is-bad"],
    k: ["≈", "known", "known", "is-known"],
    s: ["–", "skipped", "skipped", ""],
    a: ["✓", "agrees", "agreed", ""],
  });
  const WORST = "dcnkas"; // from what a test is named by first; skipped where nobody was asked
  const COUNTED = ["d", "c", "k", "s", "a"]; // as a folder's counts stand
  const COUNTS = /** @type {Record<string, string>} */ ({ d: "differ", c: "cannot tell", n: "not run", k: "known", s: "skipped", a: "agree" });
  const EXPECTED = ["valid", "invalid", "refused"];
  const SAID = [["✓", "valid"], ["✗", "invalid"], ["?", "cannot tell"]];

  const byId = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
  const field = (/** @type {string} */ id) => /** @type {HTMLInputElement | HTMLSelectElement} */ (byId(id));
  const { columns, words, folders } = JSON.parse(byId("data").textContent || "{}");
  /** @type {any[][]} */
  const cases = JSON.parse(byId("cases").textContent || "[]");

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
  // A text of others: in its own direction, whatever stands beside it.
  const foreign = (/** @type {string} */ text) => element("bdi", "", text);
  const marked = (/** @type {string} */ sign, /** @type {string} */ word, /** @type {string} */ kind) => {
    const mark = element("span", "mark", sign);
    mark.setAttribute("aria-hidden", "true");
    return element("span", kind, mark, ` ${word}`);
  };
  const button = (/** @type {string} */ className, /** @type {() => void} */ action, /** @type {...(Node | string)} */ ...children) => {
    const made = /** @type {HTMLButtonElement} */ (element("button", className, ...children));
    made.type = "button";
    made.addEventListener("click", action);
    return made;
  };
  const number = (/** @type {number} */ value) => value.toLocaleString("en");
  const duration = (/** @type {number} */ ms) => (ms < 1000 ? `${number(Number(ms.toPrecision(3)))} ms` : `${number(Number((ms / 1000).toPrecision(3)))} s`);
  const size = (/** @type {number} */ bytes) => (bytes < 1000 ? `${bytes} B` : bytes < 1e6 ? `${(bytes / 1000).toPrecision(3)} kB` : `${(bytes / 1e6).toPrecision(3)} MB`);
  const letter = (/** @type {any[]} */ test, /** @type {number} */ column) => test[3][column] || "-";
  const worst = (/** @type {any[]} */ test) => [...WORST].find((each) => test[3].includes(each)) || "s";

  // --- the filter ---

  let folder = "";
  /** @type {any[][]} */
  let found = [];
  let shown = 0;
  /** @type {WeakMap<any[], string>} */
  const haystacks = new WeakMap();

  /** @param {any[]} test */
  const haystack = (test) => {
    let text = haystacks.get(test);
    if (text === undefined) {
      const details = test[6] ? JSON.stringify(test[6].blocks || "") + (test[6].failure || "") : "";
      const skipped = test[6]?.skipped ? test[6].skipped.map((/** @type {number[]} */ each) => words[each[1]]).join(" ") : "";
      const exceptions = test[5].map((/** @type {number[]} */ block) => words[block[3]] || "").join(" ");
      text = `${words[test[0]]} ${test[1]} ${words[test[2]]} ${details} ${skipped} ${exceptions}`.toLowerCase();
      haystacks.set(test, text);
    }
    return text;
  };

  const select = () => {
    const terms = field("text").value.toLowerCase().split(/\s+/).filter(Boolean);
    const letters = field("outcome").value;
    const column = field("client").value;
    const fork = field("fork").value;
    const inFolder = (/** @type {string} */ path) => !folder || path.startsWith(`${folder}/`) || (folder === "." && !path.includes("/"));
    const hasState = (/** @type {any[]} */ test) => {
      if (column !== "") return letters ? letters.includes(letter(test, Number(column))) : letter(test, Number(column)) !== "-";
      if (letters === "a") return worst(test) === "a";
      return !letters || [...letters].some((each) => test[3].includes(each));
    };
    found = cases.filter(
      (test) =>
        hasState(test) && (!fork || words[test[2]] === fork) && inFolder(words[test[0]]) && terms.every((term) => haystack(test).includes(term)),
    );
  };

  const remember = () => {
    const parts = new URLSearchParams();
    for (const id of ["text", "outcome", "client", "fork"]) if (field(id).value) parts.set(id, field(id).value);
    if (folder) parts.set("folder", folder);
    if (!field("outcome").value) parts.set("outcome", "all");
    history.replaceState(null, "", `#${parts}`);
  };

  /** Takes the filter out of the address, so that a link shows what its sender saw. */
  const recall = () => {
    if (!location.hash.includes("=")) return false;
    const parts = new URLSearchParams(location.hash.slice(1));
    for (const id of ["text", "outcome", "client", "fork"]) {
      field(id).value = parts.get(id) || "";
      if (field(id).selectedIndex === -1 || parts.get(id) === "all") field(id).value = "";
    }
    folder = parts.get("folder") || "";
    return true;
  };

  const show = () => {
    const list = byId("tests");
    const some = found.slice(shown, shown + PAGE).map(entry);
    list.append(...some);
    shown += some.length;
    byId("more").hidden = shown >= found.length;
    byId("count").textContent = found.length
      ? `${number(found.length)} of ${number(cases.length)} tests${shown < found.length ? `, the first ${number(shown)} shown` : ""}`
      : `No test of ${number(cases.length)} is like this.`;
  };

  const filter = () => {
    select();
    shown = 0;
    byId("tests").replaceChildren();
    const chip = byId("folder");
    chip.hidden = !folder;
    chip.replaceChildren("Folder ", foreign(folder), " ✕");
    show();
  };

  /** @param {string} path  @param {string} client  @param {string} letters */
  const narrow = (path, client, letters) => {
    folder = path;
    field("text").value = "";
    field("fork").value = "";
    field("client").value = client;
    field("outcome").value = letters;
    filter();
    remember();
    byId("tests-title").scrollIntoView({ block: "start" });
    /** @type {HTMLElement | null} */ (document.querySelector("#tests .test"))?.focus({ preventScroll: true });
  };

  // --- one test ---

  /** @param {any[]} test */
  const entry = (test) => {
    const column = field("client").value;
    const state = column === "" ? worst(test) : letter(test, Number(column));
    const [sign, word, kind] = STATES[state] || STATES.s;
    const mark = element("span", `mark ${kind}`, sign);
    mark.setAttribute("aria-hidden", "true");
    const name = element("span", "name", foreign(test[1] || "(the whole file)"), element("small", "", foreign(words[test[0]]), ` · ${words[test[2]]}`));
    const own = element("span", `word ${kind}`, word);
    const whose = state === "a" || column !== "" ? "" : columns.filter((/** @type {string} */ _, /** @type {number} */ each) => letter(test, each) === state).join(", ");
    const time = `${test[5].length === 1 ? "1 block" : `${test[5].length} blocks`}, ${duration(test[4])}`;
    own.append(element("small", "", state === "a" || !whose ? time : whose));
    const item = element("li", "");
    const made = button("test", () => toggle(item, made, test), mark, name, own);
    made.setAttribute("aria-expanded", "false");
    item.append(made);
    return item;
  };

  /** @param {HTMLElement} item  @param {HTMLElement} opener  @param {any[]} test */
  const toggle = (item, opener, test) => {
    const open = opener.getAttribute("aria-expanded") !== "true";
    opener.setAttribute("aria-expanded", String(open));
    if (open) item.append(details(test));
    else item.lastElementChild?.remove();
  };

  /** @param {any[]} test */
  const details = (test) => {
    const more = test[6] || {};
    const made = element("div", "details");
    const said = [`${words[test[2]]}`, more.kind === undefined ? "" : words[more.kind], `${duration(test[4])} in all`];
    made.append(element("p", "dim", said.filter(Boolean).join(" · ")));
    if (more.failure) {
      const known = more.known === undefined ? "" : ` Known: ${words[more.known]}`;
      made.append(element("p", "", marked("!", "could not be run: ", "differs"), foreign(more.failure), known));
    }
    if (more.commands) made.append(...more.commands.map(command));
    if (more.skipped) {
      const lines = more.skipped.map((/** @type {number[]} */ [column, reason]) =>
        element("li", "", marked("–", `${columns[column]} skipped: `, "skipped"), foreign(words[reason])),
      );
      made.append(element("ul", "", ...lines));
    }
    const blocks = test[5].map((/** @type {any[]} */ block, /** @type {number} */ at) => ({ block, at, index: more.indexes ? more.indexes[at] : at }));
    for (const { block, at, index } of blocks) if (more.blocks?.[at]) made.append(told(index, block, more.blocks[at]));
    const agreed = blocks.filter((/** @type {any} */ each) => !more.blocks?.[each.at]);
    if (agreed.length) made.append(agreeing(agreed, test));
    if (more.more) made.append(element("p", "dim", `${number(more.more)} further blocks are in the journal.`));
    return made;
  };

  /** @param {string} text */
  const command = (text) => element("div", "command", element("code", "", text), copier(text));
  /** @param {string} text */
  const copier = (text) => {
    const made = button("copy", () => copy(made, text), "Copy");
    made.setAttribute("aria-label", "Copy this command");
    made.hidden = !navigator.clipboard;
    return made;
  };
  /** @param {HTMLElement} pressed  @param {string} text */
  const copy = (pressed, text) =>
    navigator.clipboard.writeText(text).then(
      () => (pressed.textContent = "Copied"),
      () => (pressed.textContent = "Not allowed"),
    );

  /** @param {string} label  @param {string} className  @param {...(Node | string)} children */
  const cell = (label, className, ...children) => {
    const made = element("td", children.length && children[0] !== "" ? className : `${className} blank`, ...children);
    made.setAttribute("role", "cell");
    if (label) made.dataset.label = label;
    return made;
  };
  /** @param {string} label  @param {string[]} titles  @param {HTMLElement[]} rows  @param {number} numbers  from which column on */
  const table = (label, titles, rows, numbers) => {
    const heads = titles.map((title, at) => {
      const head = element("th", at < numbers ? "" : "number", title);
      head.setAttribute("role", "columnheader");
      head.setAttribute("scope", "col");
      return head;
    });
    const row = element("tr", "", ...heads);
    const head = element("thead", "", row);
    const body = element("tbody", "", ...rows);
    const made = element("table", "", head, body);
    for (const each of [row, ...rows]) each.setAttribute("role", "row");
    for (const each of [head, body]) each.setAttribute("role", "rowgroup");
    made.setAttribute("role", "table");
    made.setAttribute("aria-label", label);
    return element("div", "frame", made);
  };
  /** @param {...(Node | string)} children */
  const rowHead = (...children) => {
    const made = element("th", "", ...children);
    made.setAttribute("role", "rowheader");
    made.setAttribute("scope", "row");
    return made;
  };

  /** A block on which somebody differs: what everybody said.  @param {number} index  @param {any[]} block  @param {any} said */
  const told = (index, block, said) => {
    const expected = block[3] === -1 ? "" : ` (${words[block[3]]})`;
    const facts = [`number ${number(said.number)}`, `${number(block[1])} gas`, `witness ${size(block[2])}`, said.classes.length ? `reason: ${said.classes.join(", ")}` : ""];
    const title = element("h3", "", `Block ${index}: ${EXPECTED[block[0]]} expected${expected} `, element("small", "", facts.filter(Boolean).join(" · ")));
    const rows = said.answers.map((/** @type {any[]} */ [column, word, reason, classes, fields, kind, known]) => {
      const state = kind === -1 ? "a" : known === -1 ? (words[kind] === "cannot tell" ? "c" : "d") : "k";
      const [sign, name] = SAID[word];
      const judged = kind === -1 ? marked("✓", "as expected", "agreed") : marked(STATES[state][0], words[kind], STATES[state][2]);
      const why = known === -1 ? [judged] : [judged, element("div", "dim", "known: ", foreign(words[known]))];
      const ms = block[4 + column];
      const row = element(
        "tr",
        STATES[state][3],
        rowHead(columns[column]),
        cell("Said", "", element("span", "", `${sign} ${name}`)),
        cell("So", kind === -1 ? "" : "wide", element("div", "", ...why)),
        cell("Reason", "wide", ...(reason ? [foreign(reason)] : [""])),
        cell("Class", "", classes.join(", ")),
        cell("Fields", "", fields.join(", ")),
        cell("Time", "number", ms === undefined || ms === null ? "" : duration(ms)),
      );
      return row;
    });
    const made = element("div", "block", title, table(`Answers on block ${index}`, ["Client", "Said", "So", "Reason", "Class", "Fields", "Time"], rows, 6));
    if (said.hash) made.append(element("p", "hash dim", said.hash));
    return made;
  };

  /** Blocks on which nobody differs: how long everybody took.  @param {any[]} blocks  @param {any[]} test */
  const agreeing = (blocks, test) => {
    const asked = columns.map((/** @type {string} */ _, /** @type {number} */ each) => each).filter((/** @type {number} */ each) => blocks.some(({ block }) => (block[4 + each] ?? null) !== null));
    const rows = blocks.map(({ block, index }) =>
      element(
        "tr",
        "",
        rowHead(`Block ${index}`),
        cell("Expected", "", EXPECTED[block[0]] + (block[3] === -1 ? "" : ` (${words[block[3]]})`)),
        cell("Gas", "number", number(block[1])),
        cell("Witness", "number", block[2] ? size(block[2]) : "none"),
        ...asked.map((/** @type {number} */ each) => cell(columns[each], "number", (block[4 + each] ?? null) === null ? "–" : `✓ ${duration(block[4 + each])}`)),
      ),
    );
    const titles = ["Block", "Expected", "Gas", "Witness", ...asked.map((/** @type {number} */ each) => columns[each])];
    const title = element("h3", "", test[3].includes("d") || test[3].includes("k") || test[3].includes("c") ? "Blocks on which all agree" : "All agree");
    return element("div", "block", title, table("Blocks on which all agree", titles, rows, 2));
  };

  // --- the matrix ---

  /** @typedef {{path: string, name: string, tests: number, broken: number, counts: number[][], children: Node_[]}} Node_ */
  const empty = () => columns.map(() => COUNTED.map(() => 0));

  const tree = () => {
    /** @type {Node_} */
    const root = { path: "", name: "", tests: 0, broken: 0, counts: empty(), children: [] };
    /** @type {Map<string, Node_>} */
    const nodes = new Map([["", root]]);
    /** @param {string} path @returns {Node_} */
    const at = (path) => {
      const known = nodes.get(path);
      if (known) return known;
      const cut = path.lastIndexOf("/");
      const parent = at(cut === -1 ? "" : path.slice(0, cut));
      const made = { path, name: path.slice(cut + 1), tests: 0, broken: 0, counts: empty(), children: [] };
      parent.children.push(made);
      nodes.set(path, made);
      return made;
    };
    for (const [path, tests, broken, counts] of folders) {
      at(path);
      for (let up = path; ; up = up.includes("/") ? up.slice(0, up.lastIndexOf("/")) : "") {
        const node = at(up);
        node.tests += tests;
        node.broken += broken;
        counts.forEach((/** @type {number[]} */ states, /** @type {number} */ column) => states.forEach((count, state) => (node.counts[column][state] += count)));
        if (!up) break;
      }
    }
    /** A folder with one folder in it, and nothing else, is one line. @param {Node_} node */
    const joined = (node) => {
      while (node.children.length === 1 && node.children[0].tests === node.tests && node.path) {
        const [only] = node.children;
        node = { ...only, name: `${node.name}/${only.name}` };
      }
      node.children = node.children.map(joined);
      return node;
    };
    return joined(root);
  };

  /** @param {Node_} node  @param {number} column */
  const counts = (node, column) => {
    const parts = COUNTED.map((state, at) => [state, node.counts[column][at]]).filter(([, count]) => count);
    const lines = parts.map(([state, count]) => marked(STATES[state][0], `${number(/** @type {number} */ (count))} ${COUNTS[state]}`, STATES[state][2]));
    const first = parts.length ? String(parts[0][0]) : "";
    const made = cell(columns[column], first ? STATES[first][3] : "", "");
    made.classList.remove("blank");
    if (!parts.length) {
      made.append(element("span", "cell dim", "–"));
      return made;
    }
    const letters = "dck".includes(first) ? first : "";
    made.append(button("cell", () => narrow(node.path, String(column), letters), ...lines));
    return made;
  };

  /** @param {Node_} node  @param {number} level @returns {HTMLElement[]} */
  const branch = (node, level) => {
    /** @type {HTMLElement[]} */
    let below = [];
    const opens = node.children.length > 0;
    const open = () => {
      const expanded = name.getAttribute("aria-expanded") === "true";
      name.setAttribute("aria-expanded", String(!expanded));
      if (expanded) {
        for (const each of below) each.remove();
        below = [];
        return;
      }
      below = node.children.flatMap((child) => branch(child, level + 1));
      row.after(...below);
    };
    const name = button(opens ? "folder" : "folder leaf", opens ? open : () => narrow(node.path, "", ""), element("span", "", foreign(node.name === "." ? "(the suite itself)" : node.name)));
    if (opens) name.setAttribute("aria-expanded", "false");
    const tests = cell("Tests", "number", number(node.tests));
    if (node.broken) tests.append(button("cell", () => narrow(node.path, "", "n"), marked("!", `${number(node.broken)} not run`, "differs")));
    const row = element("tr", `level${Math.min(level, 5)}`, rowHead(name), tests, ...columns.map((/** @type {string} */ _, /** @type {number} */ column) => counts(node, column)));
    row.setAttribute("role", "row");
    row.dataset.folder = node.path;
    // What is below goes with what is above.
    const remove = row.remove.bind(row);
    row.remove = () => {
      for (const each of below) each.remove();
      below = [];
      name.setAttribute("aria-expanded", "false");
      remove();
    };
    return [row];
  };

  // --- beginning ---

  const start = () => {
    const root = tree();
    byId("folders").replaceChildren(...(root.children.length ? root.children.flatMap((child) => branch(child, 0)) : []));
    for (const name of document.querySelectorAll("#folders > tr .folder[aria-expanded]")) {
      if (root.children.length <= 4) /** @type {HTMLElement} */ (name).click();
    }
    const forks = [...new Set(cases.map((test) => words[test[2]]))].sort();
    byId("fork").append(...forks.map((fork) => {
      const option = /** @type {HTMLOptionElement} */ (element("option", "", fork));
      option.value = fork;
      return option;
    }));
    if (!recall() && cases.some((test) => [..."dcnk"].some((each) => test[3].includes(each)))) field("outcome").value = "dcnk";
    for (const each of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(".finding .command"))) {
      const text = each.querySelector("code")?.textContent || "";
      each.querySelector("button")?.replaceWith(copier(text));
    }
    const form = byId("filter");
    const changed = () => (filter(), remember());
    byId("text").addEventListener("input", changed);
    for (const id of ["outcome", "client", "fork"]) byId(id).addEventListener("change", changed);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => {
      folder = "";
      setTimeout(changed); // once the fields are empty
    });
    byId("folder").addEventListener("click", () => {
      folder = "";
      changed();
    });
    byId("more").addEventListener("click", () => {
      const last = byId("tests").lastElementChild;
      show();
      /** @type {HTMLElement | null} */ (last?.nextElementSibling?.querySelector(".test") || null)?.focus();
    });
    window.addEventListener("hashchange", () => recall() && filter());
    filter();
    document.body.dataset.ready = "true";
  };
  start();
})();
