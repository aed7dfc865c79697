"use strict";
// What pages do by themselves: refresh while somebody looks, say when they no longer can, copy, ask before what is grave.
(() => {
  const connection = document.getElementById("connection");
  let lastGood = new Date();

  function say(live) {
    if (live) lastGood = new Date();
    const time = lastGood.toLocaleTimeString(document.documentElement.lang);
    const words = live ? connection.dataset.live : `${connection.dataset.lost} ${time}`;
    connection.classList.toggle("lost", !live);
    connection.hidden = false;
    if (connection.textContent !== words) connection.textContent = words;
  }

  document.addEventListener("htmx:before:request", (event) => {
    if (document.hidden && event.target.closest("[data-live]")) event.preventDefault();
  });
  document.addEventListener("htmx:after:request", (event) => say(event.detail.ctx.response.status < 400));
  document.addEventListener("htmx:error", () => say(false));
  if (document.querySelector("main [data-live]")) say(true);

  // Parts that the server sends whenever they have changed, while somebody looks.
  for (const part of document.querySelectorAll("[data-stream]")) {
    let source = null;
    const follow = () => {
      source?.close();
      source = null;
      if (document.hidden) return;
      source = new EventSource(part.dataset.stream);
      source.addEventListener("message", (event) => {
        say(true);
        htmx.swap({ text: event.data, target: part, sourceElement: part, swap: "innerMorph" });
      });
      source.addEventListener("error", () => setTimeout(() => {
        if (!source || source.readyState === EventSource.OPEN) return;
        say(false);
        // A refusal ends what a broken line does not.
        if (source.readyState === EventSource.CLOSED) follow();
      }, 3000));
    };
    document.addEventListener("visibilitychange", follow);
    follow();
  }

  document.addEventListener("submit", (event) => {
    const words = (event.submitter?.dataset.confirm) ?? event.target.dataset.confirm;
    if (words && !window.confirm(words)) event.preventDefault();
  });

  // Lists of changes apply at once.
  for (const select of document.querySelectorAll("form[data-auto] select")) {
    select.addEventListener("change", () => select.form.requestSubmit());
  }

  for (const button of document.querySelectorAll("[data-copy]")) {
    button.hidden = !navigator.clipboard;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
      const before = button.textContent;
      button.textContent = button.dataset.copied;
      setTimeout(() => { button.textContent = before; }, 2000);
    });
  }

  // Times: as a distance, or exact, as this reader wants them.
  const exact = document.querySelector("[data-times]");
  function showTimes() {
    const wanted = localStorage.getItem("times") === "exact";
    exact.setAttribute("aria-pressed", wanted);
    for (const time of document.querySelectorAll("time[title]")) {
      time.dataset.ago ??= time.textContent;
      time.textContent = wanted ? time.title : time.dataset.ago;
    }
  }
  exact.hidden = false;
  exact.addEventListener("click", () => {
    localStorage.setItem("times", localStorage.getItem("times") === "exact" ? "ago" : "exact");
    showTimes();
  });
  showTimes();
  document.addEventListener("htmx:after:swap", () => {
    for (const time of document.querySelectorAll("time[data-ago]")) delete time.dataset.ago;
    showTimes();
  });
})();
