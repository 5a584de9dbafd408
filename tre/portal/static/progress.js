/* Live progress of one workspace. Without it the page loads itself again; the same words stand in both. */
"use strict";
(function () {
  var place = document.querySelector("[data-live]");
  if (!place || !window.EventSource) { return; }
  var label = place.querySelector("[data-live-label]");
  var words = place.querySelector("[data-live-words]");
  var said = document.querySelector("[data-live-status]");
  var queue = place.querySelector("[data-live-queue]");
  var source = new EventSource(place.dataset.live);
  function wait(lines) {
    var stop = place.querySelector("[data-live-stop]");
    var head = queue.querySelector("[data-live-place]");
    queue.hidden = !lines;
    if (stop) { stop.textContent = lines ? "Leave the queue" : "Stop the start"; }
    place.querySelectorAll("[data-live-starting], [data-live-steps]").forEach(function (part) {
      part.hidden = Boolean(lines);
    });
    if (!lines) { return; }
    if (said && head.textContent !== lines[0]) { said.textContent = lines[0]; }
    head.textContent = lines[0];
    queue.querySelector("[data-live-room]").textContent = lines[1];
  }
  function show(news) {
    if (queue) { wait(news.queue); }
    label.textContent = news.label;
    label.className = "nhsuk-tag nhsuk-tag--" + news.colour;
    if (words) { words.textContent = news.words; words.hidden = !news.words; }
    var next = !news.done;
    news.steps.forEach(function (step) {
      var line = place.querySelector('[data-step="' + step.step + '"]');
      var now = next && !step.reached;
      if (now) { next = false; }
      if (!line) { return; }
      var before = line.dataset.reached;
      line.dataset.reached = String(step.reached);
      if (now) { line.dataset.now = "true"; } else { delete line.dataset.now; }
      line.querySelector("[data-step-state]").textContent = step.reached ? "Done" : now ? "In progress" : "Waiting";
      if (step.reached && before !== "true") {
        said.textContent = line.querySelector("[data-step-label]").textContent + ": done";
      }
    });
  }
  source.addEventListener("message", function (event) {
    var news = JSON.parse(event.data);
    show(news);
    if (!news.done) { return; }
    source.close();
    said.textContent = news.label + ". " + news.words;
    if (news.running && place.dataset.enter) { window.location.assign(place.dataset.enter); return; }
    window.location.reload();
  });
}());
