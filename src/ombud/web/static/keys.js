"use strict";
// The keyboard: / filters, j and k move, Enter opens, r resends, Ctrl-K goes to a page, ? says so.
(() => {
  const help = document.getElementById("keys-help");
  const palette = document.getElementById("palette");
  const search = palette.querySelector("input");

  for (const button of document.querySelectorAll("[data-open]")) {
    button.hidden = false;
    button.addEventListener("click", () => document.getElementById(button.dataset.open).showModal());
  }

  function rows() {
    return [...document.querySelectorAll("main tr[data-href] a.row")];
  }

  function move(step) {
    const all = rows();
    if (!all.length) return;
    const at = all.indexOf(document.activeElement);
    all[Math.min(all.length - 1, Math.max(0, at < 0 ? 0 : at + step))].focus();
  }

  const actions = {
    "/": () => document.querySelector("main [data-filter]")?.focus(),
    j: () => move(1),
    k: () => move(-1),
    r: () => document.querySelector("main [data-resend]")?.click(),
    "?": () => help.showModal(),
  };

  function typing(element) {
    return element.closest("input, select, textarea, [contenteditable], dialog");
  }

  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      search.value = "";
      choose();
      palette.showModal();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });

  function choose() {
    const wanted = search.value.toLowerCase();
    for (const item of palette.querySelectorAll("li")) {
      item.hidden = !item.textContent.toLowerCase().includes(wanted);
    }
  }
  search.addEventListener("input", choose);
  search.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    palette.querySelector("li:not([hidden]) a")?.click();
  });

  // The whole row opens what its link does.
  document.addEventListener("click", (event) => {
    const row = event.target.closest("tr[data-href]");
    if (row && !event.target.closest("a, button, input, label, form") && !getSelection().toString()) {
      row.querySelector("a.row").click();
    }
  });
})();
