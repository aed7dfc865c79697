"use strict";
// The page refreshes itself only while somebody can see it, and says so when it no longer can.
(() => {
  const connection = document.getElementById("connection");
  let lastGood = new Date();

  function say(live) {
    if (live) lastGood = new Date();
    const words = live ? "Live" : `Connection lost: this is from ${lastGood.toLocaleTimeString("en-GB")}`;
    connection.classList.toggle("lost", !live);
    connection.hidden = false;
    if (connection.textContent !== words) connection.textContent = words;
  }

  document.addEventListener("htmx:before:request", (event) => {
    if (document.hidden) event.preventDefault();
  });
  document.addEventListener("htmx:after:request", (event) => say(event.detail.ctx.response.status < 400));
  document.addEventListener("htmx:error", () => say(false));
  if (document.getElementById("live")) say(true);

  document.addEventListener("submit", (event) => {
    const words = event.target.dataset.confirm;
    if (words && !window.confirm(words)) event.preventDefault();
  });

  for (const button of document.querySelectorAll("[data-copy]")) {
    button.hidden = !navigator.clipboard;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
  }
})();
