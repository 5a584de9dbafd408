/* Keys of the viewer. Everything they do, links of the page do as well. They can be switched off, and are silent in fields. */
"use strict";
(function () {
  var view = document.querySelector("[data-view]");
  var help = document.getElementById("view-keys");
  if (!view || !help) { return; }
  var on = document.getElementById("keys-on");
  var findings = Array.prototype.slice.call(document.querySelectorAll("[data-finding]"));
  var KEEP = "tre-viewer-keys";
  help.hidden = false;
  try { on.checked = window.localStorage.getItem(KEEP) !== "off"; } catch (refused) { on.checked = true; }
  on.addEventListener("change", function () {
    try { window.localStorage.setItem(KEEP, on.checked ? "on" : "off"); } catch (refused) { on.checked = on.checked; }
  });

  function place() {
    var found = /^#(?:at|finding)-(\d+)$/.exec(window.location.hash);
    if (!found) { return -1; }
    return findings.findIndex(function (link) { return link.hash === "#at-" + found[1]; });
  }

  function focusTarget() {
    if (!window.location.hash) { return; }
    var target = document.getElementById(window.location.hash.slice(1));
    if (target && /^(at|finding)-/.test(target.id)) { target.focus(); target.scrollIntoView({ block: "center", inline: "center" }); }
  }

  function step(by) {
    if (!findings.length) { return; }
    var now = place();
    var next = now < 0 ? (by > 0 ? 0 : findings.length - 1) : (now + by + findings.length) % findings.length;
    findings[next].click();
    focusTarget();
  }

  function follow(key) {
    var link = document.querySelector('[data-key="' + key + '"]');
    if (link) { link.click(); }
  }

  var keys = {
    "j": function () { step(1); },
    "k": function () { step(-1); },
    "n": function () { follow("n"); },
    "p": function () { follow("p"); },
    "[": function () { follow("["); },
    "]": function () { follow("]"); },
    "/": function () { var find = document.getElementById("view-find"); if (find) { find.focus(); find.select(); } },
    "?": function () { help.open = !help.open; if (help.open) { help.querySelector("summary").focus(); } }
  };

  document.addEventListener("keydown", function (event) {
    if (!on.checked || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) { return; }
    if (event.target.closest("textarea, select, [contenteditable], input:not([type=checkbox]):not([type=radio])")) { return; }
    var act = keys[event.key];
    if (!act) { return; }
    event.preventDefault();
    act();
  });
  window.addEventListener("hashchange", focusTarget);
  focusTarget();
}());
