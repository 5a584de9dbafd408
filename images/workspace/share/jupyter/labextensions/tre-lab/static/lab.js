"use strict";
// What the launcher adds to JupyterLab: when access ends and what is left of the budgets, what left and what waits,
// checks of files in the outbox, the way to a request, and jobs that run without a browser.
//
// This file is what runs: nothing builds it. It is a module-federation container by hand (`init`, `get`), which takes
// JupyterLab's own modules from the page.
//
// It belongs to the researcher, like everything in a workspace, and decides nothing. What it shows comes from the page
// around it (end, budgets) and from the inbox (requests, answers). What it asks for is an ask in the outbox, or a
// message to the page around it, which offers a link; the person submits there, signed in as themselves.
// It writes text only, so that no name of a file becomes markup.
(() => {
  const NAME = "tre-lab";
  const OUTBOX = "outbox/";
  const NOTES = "inbox/.desk/notes.json";
  const FILES = "/workspace"; // what the file browser shows, as programs inside see it
  const MEBI = 1048576;
  const LOOK_MS = 30000;
  const ANSWER_MS = 1000;
  const PATIENCE_MS = 300000;
  const SOON_SECONDS = 3600;
  const SHELL = `${location.protocol}//${location.host.replace(".lab.", ".open.")}`;
  const LETTERS = {
    B: "Blocks: nobody can release this",
    E: "Needs an exception with a reason from each checker",
    A: "Must be acknowledged by each checker",
    I: "For information",
  };
  const STATES = {
    Pending: "Draft",
    Submitted: "With the checkers",
    PartiallyReviewed: "With the checkers",
    Reviewed: "Being decided",
    Returned: "Changes asked for",
    Approved: "Approved",
    Releasing: "Being released",
    Released: "Released",
    Rejected: "Refused",
    Withdrawn: "Withdrawn",
    Blocked: "Blocked",
    Recalled: "Recalled",
  };
  const TURNS = { author: "the researcher", checker: "the checkers", system: "the service" };
  const JOBS = { Running: "running", Finished: "finished", Failed: "failed", Cancelled: "ended by you", Ended: "ended with the workspace" };
  const STYLE = `
    .tre-end { font: inherit; color: inherit; background: none; border: 0; padding: 0 8px; height: 100%; cursor: pointer; white-space: nowrap; }
    .tre-end:focus-visible, .tre-panel button:focus-visible { outline: 2px solid currentColor; outline-offset: -2px; }
    .tre-end[data-level=low] { font-weight: bold; background: #ffeb3b; color: #212b32; }
    .tre-end[data-level=spent] { font-weight: bold; background: #8a1008; color: #fff; }
    .tre-panel { overflow: auto; padding: 8px 12px; background: var(--jp-layout-color1); color: var(--jp-ui-font-color1); font-size: 13px; line-height: 1.45; overflow-wrap: anywhere; }
    .tre-panel h2 { font-size: 14px; margin: 16px 0 4px; }
    .tre-panel h3 { font-size: 13px; margin: 8px 0 2px; }
    .tre-panel p { margin: 4px 0; }
    .tre-panel ul { margin: 4px 0; padding-left: 18px; }
    .tre-panel li { margin-bottom: 6px; }
    .tre-panel button { font: inherit; padding: 4px 10px; border: 1px solid currentColor; border-radius: 3px; background: var(--jp-layout-color1); color: inherit; cursor: pointer; }
    .tre-letter { font-weight: bold; }
    .tre-quiet { color: var(--jp-ui-font-color1); }`;

  let shared = null;

  /** A module of JupyterLab's own. @param {string} name */
  async function moduleOf(name) {
    const versions = Object.values(shared[name] || {});
    if (versions.length === 0) throw new Error(`JupyterLab shares no ${name}`);
    return (await versions[0].get())();
  }

  /** An element with text or elements in it; never markup. @param {string} tag @param {object} [attributes] */
  function element(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children.filter((child) => child !== null && child !== ""));
    return made;
  }

  function inWords(iso) {
    const format = { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" };
    const moment = new Date(iso);
    return Number.isNaN(moment.getTime()) ? "" : new Intl.DateTimeFormat("en-GB", format).format(moment);
  }

  function duration(seconds) {
    const days = Math.floor(seconds / 86400);
    const hours = Math.floor((seconds % 86400) / 3600);
    const minutes = Math.floor((seconds % 3600) / 60);
    if (days > 0) return `${days} ${days === 1 ? "day" : "days"} ${hours} h`;
    return hours > 0 ? `${hours} h ${minutes} min` : `${minutes} min`;
  }

  const amount = (bytes) => String(Math.floor((bytes / MEBI) * 10) / 10);
  const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
  const counted = (number, one, many) => `${number} ${number === 1 ? one : many}`;

  // The page around: it tells end and budgets, and offers the way to a request.

  class Surroundings {
    constructor(changed) {
      this.facts = null;
      this.offset = 0;
      window.addEventListener("message", (event) => {
        if (event.source !== window.parent || event.origin !== SHELL || event.data?.form !== "tre-shell/1") return;
        this.facts = event.data;
        this.offset = Date.parse(event.data.now) - Date.now() || 0;
        changed();
      });
      this.say({ act: "hello" });
    }

    say(message) {
      if (window.parent !== window) window.parent.postMessage({ form: "tre-lab/1", ...message }, SHELL);
    }

    secondsLeft() {
      return this.facts?.end ? (Date.parse(this.facts.end) - (Date.now() + this.offset)) / 1000 : Infinity;
    }

    /** What the status bar and the panel say: lines of text, and the worst level among them. */
    told() {
      if (!this.facts) return { lines: ["End of access: not told yet"], level: "fine" };
      const left = this.secondsLeft();
      const soon = left < SOON_SECONDS;
      const end = left === Infinity ? "No end is set" : `${this.facts.endLabel} ${inWords(this.facts.end)}`;
      const words = left === Infinity ? "" : left > 0 ? `${duration(left)} left` : "time is up";
      const lines = [[soon ? `Soon: ${end}` : end, words].filter(Boolean).join(", ")];
      const levels = [soon ? "low" : "fine"];
      for (const budget of this.facts.budgets || []) {
        const mark = { low: "Low: ", spent: "Used up: " }[budget.level] || "";
        lines.push(`${budget.label}: ${mark}${amount(budget.left)} of ${amount(budget.limit)} MiB left this hour`);
        levels.push(budget.level);
      }
      return { lines, level: levels.includes("spent") ? "spent" : levels.includes("low") ? "low" : "fine" };
    }
  }

  // Checks before submitting: an ask in the outbox, an answer in the inbox.

  class Checks {
    constructor(contents) {
      this.contents = contents;
    }

    async read(path) {
      try {
        const file = await this.contents.get(path, { content: true, type: "file", format: "text" });
        return JSON.parse(file.content);
      } catch (error) {
        if (error?.response?.status === 404 || error instanceof SyntaxError) return null;
        throw error;
      }
    }

    /** @param {string[]} names paths below the outbox */
    async ask(names) {
      const random = crypto.getRandomValues(new Uint8Array(16));
      const id = Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("");
      const folder = `${OUTBOX}.preflight`;
      const content = `${["tre-preflight/1", ...names].join("\n")}\n`;
      await this.contents.save(folder, { type: "directory" });
      await this.contents.save(`${folder}/.${id}`, { type: "file", format: "text", content });
      await this.contents.rename(`${folder}/.${id}`, `${folder}/ask-${id}`);
      try {
        return await this.answer(id);
      } finally {
        await this.contents.delete(`${folder}/ask-${id}`).catch(() => undefined);
      }
    }

    async answer(id) {
      const until = Date.now() + PATIENCE_MS;
      for (let look = 0; Date.now() < until; look += 1) {
        const answer = await this.read(`inbox/.preflight/answer-${id}.json`);
        if (answer) return answer;
        const wait = look % 5 === 1 ? await this.read("inbox/.preflight/wait.json") : null;
        if (wait && Date.parse(wait.until) > Date.now()) return wait;
        await pause(ANSWER_MS);
      }
      throw new Error("No answer came. Nothing is lost: ask again later, or submit; the checks run then.");
    }
  }

  // The panel.

  class Panel {
    constructor(Widget) {
      this.access = element("div", { id: "tre-access" });
      this.said = element("p", { role: "status", "aria-live": "polite" });
      this.checked = element("div", { id: "tre-checked" });
      this.requests = element("div", { id: "tre-requests" });
      this.jobs = element("div", { id: "tre-jobs" });
      this.again = element("button", { type: "button" }, "Look again");
      const node = element("section", { class: "tre-panel", "aria-label": "Results out", tabindex: "0" },
        element("h2", {}, "Access"), this.access, this.said,
        element("h2", {}, "What left, what waits"), this.requests,
        element("h2", {}, "Last check"), this.checked,
        element("h2", {}, "Jobs without a browser"), this.jobs, element("p", {}, this.again));
      this.widget = new Widget({ node });
      this.widget.id = "tre-panel";
      this.widget.title.label = "Results out";
      this.widget.title.caption = "End of access, what left, what waits, checks and jobs";
      this.showCheck(null);
      this.showNotes(null);
    }

    say(text) {
      this.said.textContent = text;
    }

    showAccess(lines) {
      const texts = lines.join("\n");
      if (this.access.dataset.texts === texts) return;
      this.access.dataset.texts = texts;
      this.access.replaceChildren(...lines.map((line) => element("p", {}, line)));
    }

    showNotes(notes) {
      if (!notes) {
        this.requests.replaceChildren(element("p", {}, "Nothing is told yet."));
        this.jobs.replaceChildren(element("p", {}, "None."));
        return;
      }
      const requests = (notes.requests || []).map((item) => element("li", {},
        element("strong", {}, `${STATES[item.state] || item.state}. `), `${item.id}, ${counted(item.files, "file", "files")}${item.own ? "" : ", a colleague’s"}. `,
        item.turn ? `It waits for ${TURNS[item.turn] || item.turn}. ` : "", `Begun ${inWords(item.begun)}.`));
      this.requests.replaceChildren(requests.length ? element("ul", {}, ...requests) : element("p", {}, "There is no request yet."));
      const jobs = (notes.jobs || []).map((job) => element("li", {},
        element("strong", {}, `Job ${job.number}: ${JOBS[job.state] || job.state}. `), `Since ${inWords(job.since)}.`));
      this.jobs.replaceChildren(jobs.length ? element("ul", {}, ...jobs) : element("p", {}, "None."));
    }

    showCheck(answer) {
      if (!answer) {
        this.checked.replaceChildren(element("p", {}, "Choose files in the outbox, open their menu, and choose “Check before it leaves”."));
        return;
      }
      if (answer.refused) {
        const words = ["what", "why", "remedy"].map((key) => answer.refused[key]).filter(Boolean).join(" ");
        this.checked.replaceChildren(element("p", {}, words));
        return;
      }
      const files = (answer.files || []).map((file) => this.checkedFile(file));
      this.checked.replaceChildren(...files.flat(),
        element("p", {}, `${counted(answer.remaining, "more check", "more checks")} can be asked for within this hour.`));
    }

    checkedFile(file) {
      const findings = (file.findings || []).map((finding) => {
        const place = Object.entries(finding.locator || {}).filter(([, value]) => value !== null && value !== undefined);
        const where = place.length ? ` (${place.map((pair) => pair.join(" ")).join(", ")})` : "";
        return element("li", {}, element("span", { class: "tre-letter" }, `${finding.severity} ${finding.check}. ${LETTERS[finding.severity] || ""}${where}: `),
          finding.message, finding.suggestion ? element("p", {}, finding.suggestion) : "");
      });
      const more = file.more ? [element("p", {}, `And ${file.more} more.`)] : [];
      const list = findings.length ? [element("ul", {}, ...findings), ...more] : [element("p", {}, "Nothing found.")];
      return [element("h3", {}, file.path), ...list];
    }
  }

  // The menu entries.

  class Acts {
    constructor(app, factory, panel, surroundings) {
      Object.assign(this, { app, factory, panel, surroundings });
      this.contents = app.serviceManager.contents;
      this.checks = new Checks(this.contents);
    }

    chosen() {
      const browser = this.factory.tracker.currentWidget;
      return browser ? Array.from(browser.selectedItems()).filter((item) => item.type !== "directory") : [];
    }

    inOutbox() {
      const items = this.chosen();
      return items.length > 0 && items.every((item) => item.path.startsWith(OUTBOX));
    }

    outside() {
      const items = this.chosen();
      return items.length > 0 && items.every((item) => !item.path.startsWith(OUTBOX));
    }

    runnable() {
      const items = this.chosen();
      return items.length === 1 && /\.(ipynb|py)$/.test(items[0].path);
    }

    names() {
      return this.chosen().map((item) => item.path.slice(OUTBOX.length));
    }

    open() {
      this.app.shell.activateById(this.panel.widget.id);
    }

    /** Say what begins, do it, and say how it went. */
    async attempt(begin, work) {
      this.open();
      this.panel.say(begin);
      try {
        this.panel.say(await work());
      } catch (error) {
        this.panel.say(`This did not work. ${error.message || error}`);
      }
    }

    async check() {
      const names = this.names();
      await this.attempt(`Checking ${counted(names.length, "file", "files")}…`, async () => {
        const answer = await this.checks.ask(names);
        this.panel.showCheck(answer);
        if (answer.refused) return "The files were not checked.";
        const found = answer.files.reduce((sum, file) => sum + (file.findings || []).length + (file.more || 0), 0);
        return found ? `Checked: ${counted(found, "finding", "findings")}.` : "Checked: nothing found.";
      });
    }

    async submit() {
      this.surroundings.say({ act: "submit", paths: this.names() });
      this.panel.say("Above JupyterLab there is now a link to the page of a new request, with these files chosen.");
    }

    async copy() {
      const items = this.chosen();
      await this.attempt("Copying to the outbox…", async () => {
        for (const item of items) await this.contents.copy(item.path, OUTBOX.slice(0, -1));
        return `${counted(items.length, "copy is", "copies are")} in the outbox.`;
      });
    }

    async run() {
      const [item] = this.chosen();
      await this.attempt(`Starting a job with ${item.name}…`, async () => {
        const answer = JSON.parse(await this.executed(["tre-batch", "run", "--json", "--", `${FILES}/${item.path}`]));
        return answer.error ? `No job was started. ${answer.error}`
          : `Job ${answer.number} runs. The browser can be closed. The result will be ${answer.result}.`;
      });
    }

    /** What a program prints, started by a kernel of its own: a name is a value there and no word of a shell's. */
    async executed(words) {
      const kernel = await this.app.serviceManager.kernels.startNew({ name: "python3" });
      try {
        const list = JSON.stringify(JSON.stringify(words));
        const code = `import json, subprocess\nprint(subprocess.run(json.loads(${list}), capture_output=True, text=True).stdout)`;
        const future = kernel.requestExecute({ code, store_history: false, allow_stdin: false });
        let printed = "";
        future.onIOPub = (message) => {
          if (message.header.msg_type === "stream" && message.content.name === "stdout") printed += message.content.text;
        };
        await future.done;
        return printed;
      } finally {
        await kernel.shutdown().catch(() => undefined);
      }
    }
  }

  const ENTRIES = [
    ["check", "Check before it leaves", "inOutbox"],
    ["submit", "Ask for it to leave…", "inOutbox"],
    ["copy", "Copy to the outbox", "outside"],
    ["run", "Run to the end, without a browser", "runnable"],
  ];

  function activate(app, { Widget, factory, statusBar }) {
    document.head.append(element("style", {}, STYLE));
    const panel = new Panel(Widget);
    const end = element("button", { type: "button", class: "tre-end" });
    const show = () => {
      const { lines, level } = surroundings.told();
      const low = level === "fine" ? [] : lines.slice(1).filter((line) => /: (Low|Used up): /.test(line));
      const text = [lines[0], ...low].join(" · ");
      if (end.textContent !== text) end.textContent = text;
      end.dataset.level = level;
      end.title = `${lines.join("\n")}\nOpens the panel “Results out”.`;
      panel.showAccess(lines);
    };
    const surroundings = new Surroundings(show);
    const acts = new Acts(app, factory, panel, surroundings);
    const look = async () => panel.showNotes(await acts.checks.read(NOTES).catch(() => null));
    end.addEventListener("click", () => acts.open());
    panel.again.addEventListener("click", look);
    panel.widget.node.addEventListener("focusin", show);
    app.shell.add(panel.widget, "right", { rank: 10 });
    if (statusBar) statusBar.registerStatusItem("tre-lab:end", { item: new Widget({ node: element("div", {}, end) }), align: "left", rank: 0 });
    ENTRIES.forEach(([name, label, when], rank) => {
      const command = `${NAME}:${name}`;
      app.commands.addCommand(command, { label, isVisible: () => acts[when](), isEnabled: () => acts[when](), execute: () => acts[name]() });
      app.contextMenu.addItem({ command, selector: '.jp-DirListing-item[data-isdir="false"]', rank: 3 + rank / 10 });
    });
    setInterval(show, 5000);
    setInterval(() => { if (panel.widget.isVisible) look(); }, LOOK_MS);
    app.restored.then(look);
    show();
  }

  async function extension() {
    const names = ["@jupyterlab/filebrowser", "@jupyterlab/statusbar", "@lumino/widgets"];
    const [{ IFileBrowserFactory }, { IStatusBar }, { Widget }] = await Promise.all(names.map(moduleOf));
    const plugin = {
      id: `${NAME}:plugin`,
      description: "End of access, budgets, checks, requests and jobs.",
      autoStart: true,
      requires: [IFileBrowserFactory],
      optional: [IStatusBar],
      activate: (app, factory, statusBar) => activate(app, { Widget, factory, statusBar }),
    };
    return { __esModule: true, default: plugin };
  }

  window._JUPYTERLAB = window._JUPYTERLAB || {};
  window._JUPYTERLAB[NAME] = {
    init(scope) {
      shared = scope;
    },
    async get(name) {
      if (name !== "./extension") throw new Error(`there is no ${name} here`);
      const found = await extension();
      return () => found;
    },
  };
})();
