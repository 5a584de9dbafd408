"use strict";
// The shell page: shows what the gateway says, frames the Lab while access lasts, and takes it away at the end.
// It writes text only, so nothing it is told can become markup.

const byId = (id) => document.getElementById(id);
const MEBI = 1048576;
const REMIND_AT = [600, 300, 60]; // seconds before the end that are read out
const SILENT_AFTER = 20000; // milliseconds without a beat (they come every 5 s) before the page says so

let state = null;
let clockOffset = 0;
let shownInstance = null;
let heardAt = Date.now();
let remindedAt = Infinity;
let opening = false;
const LAB_FORM = "tre-lab/1";
const MOST_CHOSEN = 50;
const LONGEST_CHOICE = 1500; // characters of an address that name files; what does not fit is ticked by hand

function setText(id, text) {
  const place = byId(id);
  if (place.textContent !== text) place.textContent = text;
}

function show(id, visible) {
  byId(id).hidden = !visible;
}

function inWords(iso) {
  const format = { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" };
  return new Intl.DateTimeFormat("en-GB", { ...format, timeZoneName: "short" }).format(new Date(iso));
}

function timeOfDay(milliseconds) {
  return new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" }).format(new Date(milliseconds));
}

function duration(seconds) {
  const days = Math.floor(seconds / 86400);
  const hours = Math.floor((seconds % 86400) / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  const two = (number) => String(number).padStart(2, "0");
  if (days > 0) return `${days} ${days === 1 ? "day" : "days"} ${hours} h`;
  if (hours > 0) return `${hours} h ${two(minutes)} min`;
  return `${minutes} min ${two(Math.floor(seconds % 60))} s`;
}

function amount(bytes) {
  return String(Math.floor((bytes / MEBI) * 10) / 10);
}

function notice(id, label, text) {
  const place = byId(id);
  const whole = label && text ? `${label}: ${text}` : "";
  if (place.dataset.text === whole) return;
  place.dataset.text = whole;
  place.replaceChildren();
  place.hidden = whole === "";
  if (whole === "") return;
  const strong = document.createElement("strong");
  strong.textContent = `${label}: `;
  place.append(strong, document.createTextNode(text));
}

function secondsLeft() {
  return state && state.end ? (Date.parse(state.end) - (Date.now() + clockOffset)) / 1000 : Infinity;
}

function showBudgets() {
  let spent = "";
  for (const budget of state.budgets) {
    const row = document.querySelector(`[data-budget="${budget.name}"]`);
    row.dataset.level = budget.level;
    const share = budget.limit > 0 ? Math.max(0, Math.min(1, budget.left / budget.limit)) : 0;
    row.querySelector(".budget-fill").style.width = `${Math.round(share * 100)}%`;
    const words = { fine: "", low: "Low: ", spent: "Used up: " };
    row.querySelector(".budget-left").textContent =
      `${words[budget.level]}${amount(budget.left)} of ${amount(budget.limit)} MiB left`;
    if (budget.level === "spent") {
      const back = timeOfDay(Date.now() + budget.returnsIn * 1000);
      spent += `${budget.label} are used up until about ${back}. `.replace("Kernel output are", "Kernel output is");
    }
  }
  if (spent) spent += "Kernels go on running and files can be saved.";
  const before = byId("spent").dataset.text;
  notice("spent", "Hourly budget", state.view === "running" ? spent : "");
  if (byId("spent").dataset.text && byId("spent").dataset.text !== before) {
    const again = document.createElement("button");
    again.type = "button";
    again.textContent = "Reconnect";
    again.addEventListener("click", () => { removeFrame(); render(); });
    byId("spent").append(again);
  }
}

function showSteps() {
  let next = true;
  for (const [index, item] of [...byId("steps").children].entries()) {
    const step = state.steps[index];
    const mark = step.done ? "yes" : next ? "now" : "no";
    if (!step.done) next = false;
    if (item.dataset.done === mark) continue;
    item.dataset.done = mark;
    item.querySelector(".step-state").textContent = { yes: "done", now: "in progress", no: "waiting" }[mark];
    if (mark === "yes" && state.view === "starting") setText("announcer", `${step.label}: done`);
  }
}

function removeFrame() {
  byId("frame-place").replaceChildren();
  byId("frame-place").classList.remove("open");
  shownInstance = null;
}

// What a page in the frame may say: who is there, and which files its person chose. It belongs to the researcher, so
// nothing follows from it but facts that stand on this page anyway, and a link to our own desk for the person to follow.

function tellLab() {
  const frame = document.querySelector("#frame-place iframe");
  if (!frame || !state || state.view !== "running") return;
  const facts = { form: "tre-shell/1", now: new Date(Date.now() + clockOffset).toISOString(), end: state.end, endLabel: state.endLabel };
  const budgets = state.budgets.map(({ label, level, left, limit }) => ({ label, level, left, limit }));
  frame.contentWindow.postMessage({ ...facts, budgets }, new URL(frame.src).origin);
}

function hearLab(event) {
  const frame = document.querySelector("#frame-place iframe");
  if (!frame || event.source !== frame.contentWindow || event.origin !== new URL(frame.src).origin) return;
  if (!event.data || event.data.form !== LAB_FORM) return;
  if (event.data.act === "hello") tellLab();
  if (event.data.act === "submit" && Array.isArray(event.data.paths)) offerRequest(event.data.paths);
}

function offerRequest(paths) {
  const named = paths.slice(0, MOST_CHOSEN).filter((path) => typeof path === "string" && path.length <= 300);
  let files = "";
  for (const path of named) {
    const more = `&file=${encodeURIComponent(path.toWellFormed())}`;
    if (files.length + more.length <= LONGEST_CHOICE) files += more;
  }
  const link = document.createElement("a");
  link.href = state.requestPage + files;
  link.target = "_blank";
  link.rel = "noopener noreferrer";
  link.textContent = "open the page of a new request";
  const close = document.createElement("button");
  close.type = "button";
  close.textContent = "Close";
  close.addEventListener("click", () => { notice("chosen", "", ""); frameFocus(); });
  notice("chosen", "", "");
  notice("chosen", "Results out", `${named.length} ${named.length === 1 ? "file is" : "files are"} chosen. To ask for ${named.length === 1 ? "it" : "them"} to leave, `);
  byId("chosen").append(link, document.createTextNode(". "), close);
  link.focus();
}

function frameFocus() {
  const frame = document.querySelector("#frame-place iframe");
  if (frame) frame.focus();
}

async function openFrame() {
  if (opening || shownInstance === state.instance) return;
  opening = true;
  try {
    const answer = await fetch("/.tre/lab", { method: "POST" });
    if (!answer.ok || !state || state.view !== "running") return;
    const frame = document.createElement("iframe");
    frame.title = "JupyterLab";
    frame.setAttribute("sandbox", "allow-scripts allow-same-origin");
    frame.setAttribute("allow", "");
    frame.referrerPolicy = "no-referrer";
    frame.src = (await answer.json()).address;
    byId("frame-place").replaceChildren(frame);
    byId("frame-place").classList.add("open");
    shownInstance = state.instance;
    frame.focus();
    setText("announcer", "The workspace is open.");
  } catch (error) {
    console.warn("the way into the workspace is closed for now", error);
  } finally {
    opening = false;
  }
}

function showEnded(heading, since, text, message, remedy, reason) {
  const first = byId("ended").hidden || byId("ended-reason").textContent !== reason;
  removeFrame();
  setText("ended-heading", heading);
  setText("ended-since", since ? `Since ${inWords(since)}.` : "");
  show("ended-since", Boolean(since));
  setText("ended-text", text);
  setText("ended-message", message);
  show("ended-message", Boolean(message));
  setText("ended-remedy", remedy);
  show("ended-remedy", Boolean(remedy));
  setText("ended-reason", reason);
  show("starting", false);
  show("end", false);
  show("budgets", false);
  setText("desk", "Leave");
  show("ended", true);
  if (first) {
    setText("alarm", `${heading}. ${text}`);
    byId("ended-heading").focus();
  }
}

function render() {
  document.body.dataset.view = state.view;
  if (state.view === "refused") {
    notice("warning", "", "");
    notice("renewed", "", "");
    notice("spent", "", "");
    notice("chosen", "", "");
    showEnded(state.reason === "LoginRequired" ? "You are signed out" : "Access has ended", null,
      state.text, "", "Go to your projects and sign in again.", state.reason);
    return;
  }
  setText("title", state.title);
  setText("person", state.person);
  show("end", Boolean(state.end));
  if (state.end) {
    setText("end-label", state.endLabel);
    setText("end-at", inWords(state.end));
    byId("end-at").dateTime = state.end;
  }
  showBudgets();
  show("budgets", state.view === "running");
  setText("desk", state.view === "running" ? "Stop or leave" : "Leave");
  notice("warning", "End of access", state.warning);
  notice("renewed", "Your approval runs longer", state.view === "running" && state.canRestartLater
    ? `until ${inWords(state.approvalEnd)}. To work until then, choose “Stop or leave”, stop the workspace and open it again.` : "");
  if (state.view === "ended") {
    notice("chosen", "", "");
    showEnded(state.heading, state.since, state.text, state.message, state.remedy, state.reason);
    return;
  }
  show("ended", false);
  show("starting", state.view === "starting");
  if (state.view === "starting") {
    removeFrame();
    showSteps();
  } else {
    openFrame();
  }
}

function tick() {
  const left = secondsLeft();
  setText("countdown", left === Infinity ? "" : left > 0 ? `${duration(left)} left` : "Time is up");
  if (left <= 0 && state && state.view === "running") removeFrame(); // the gateway has cut it already
  for (const at of REMIND_AT) {
    if (left <= at && left > 0 && remindedAt > at) {
      remindedAt = at;
      setText("announcer", `${duration(left)} left before the workspace closes.`);
    }
  }
  const silent = Date.now() - heardAt > SILENT_AFTER;
  notice("silent", "Connection", silent ? "this page has lost the gateway and tries again."
    : state && state.silent ? "the gateway has lost touch with the records. If they do not come back soon, the workspace closes." : "");
}

function take(text) {
  state = JSON.parse(text);
  heardAt = Date.now();
  if (state.now) clockOffset = Date.parse(state.now) - Date.now();
  if (secondsLeft() > REMIND_AT[0]) remindedAt = Infinity;
  render();
  tick();
  tellLab();
}

function follow() {
  const source = new EventSource("/.tre/events");
  source.onmessage = (event) => {
    take(event.data);
    if (state.view === "refused") source.close();
  };
  source.onerror = async () => {
    if (source.readyState !== EventSource.CLOSED) return;
    const answer = await fetch("/.tre/state").catch(() => null);
    if (answer && answer.status === 403) {
      const refusal = await answer.json();
      take(JSON.stringify({ view: "refused", reason: refusal.reason, text: refusal.message }));
      return;
    }
    setTimeout(follow, 3000);
  };
}

history.replaceState(null, "", "/");
setInterval(tick, 1000);
window.addEventListener("message", hearLab);
follow();
