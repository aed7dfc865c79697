"use strict";
// Draws the numbers of the page's table. The table is the source: what a chart shows is also there to be read.
(() => {
  const plots = new Map();
  const DASHES = [[], [6, 3], [2, 3]];
  let open = false;

  // A canvas knows no variables: an element is asked for the colour that one comes to.
  const probe = document.body.appendChild(document.createElement("span"));
  function colour(name) {
    probe.style.color = `var(--chart-${name})`;
    return getComputedStyle(probe).color;
  }

  function read(names) {
    const table = document.getElementById("numbers");
    const heads = [...table.tHead.rows[0].cells];
    const rows = [...table.tBodies[0].rows].reverse();
    const columns = names.map((name) => heads.findIndex((head) => head.dataset.name === name));
    const times = rows.map((row) => Date.parse(row.cells[0].firstElementChild.dateTime) / 1000);
    const values = columns.map((column) => rows.map((row) => {
      const value = row.cells[column].dataset.value;
      return value === undefined ? null : Number(value);
    }));
    return { labels: [0, ...columns].map((column) => heads[column].textContent), data: [times, ...values] };
  }

  function short(value, unit) {
    if (value == null) return "–";
    if (unit === "ms") return value < 1000 ? `${value} ms` : `${(value / 1000).toLocaleString(lang())} s`;
    return value.toLocaleString(lang());
  }

  // As the reader's own settings have it, where they are of the page's language.
  function lang() {
    const page = document.documentElement.lang;
    return navigator.languages.find((one) => one.startsWith(page)) ?? page;
  }

  // Values without a neighbour: no line shows them.
  function alone(plot, place) {
    const values = plot.data[place];
    return values.flatMap((value, at) => value != null && values[at - 1] == null && values[at + 1] == null ? [at] : []);
  }

  function time(seconds, part) {
    return new Date(seconds * 1000).toLocaleString(lang(), part);
  }

  function options(figure, names, labels) {
    const unit = figure.dataset.unit;
    const axis = { stroke: colour("text"), grid: { stroke: colour("line"), width: 1 }, ticks: { show: false }, font: "12px system-ui" };
    const series = names.map((name, place) => ({
      label: labels[place + 1],
      stroke: colour(name),
      width: 2,
      dash: DASHES[place],
      spanGaps: false,
      points: { show: true, size: 5, filter: alone },
      fill: place === 0 && names.length === 1 ? colour("fill") : undefined,
      value: (_, value) => short(value, unit),
    }));
    return {
      width: figure.clientWidth,
      height: 190,
      legend: { live: true },
      cursor: { points: { size: 6 }, drag: { x: false, y: false } },
      scales: { y: { range: (_, low, high) => [0, Math.max(high ?? 0, 1) * 1.1] } },
      axes: [
        { ...axis, space: 70, values: (_, splits, __, ___, step) => splits.map((at) => time(at, step >= 86400
          ? { day: "numeric", month: "short" } : { hour: "2-digit", minute: "2-digit" })) },
        { ...axis, size: 64, incrs: [1, 2, 5, 10, 20, 25, 50, 100, 200, 250, 500, 1e3, 2e3, 2.5e3, 5e3, 1e4, 2e4, 5e4, 1e5, 1e6, 1e7],
          values: (_, splits) => splits.map((value) => short(value, unit)) },
      ],
      series: [{ label: labels[0], value: (_, at) => at == null ? "" : time(at, { dateStyle: "short", timeStyle: "short" }) }, ...series],
    };
  }

  function draw() {
    for (const figure of document.querySelectorAll("[data-chart]")) {
      const names = figure.dataset.chart.split(" ");
      const { labels, data } = read(names);
      const host = figure.lastElementChild;
      const known = plots.get(figure.dataset.chart);
      if (known) {
        if (known.root.parentNode !== host) host.replaceChildren(known.root);
        known.setData(data);
      } else {
        host.setAttribute("aria-hidden", "true");
        plots.set(figure.dataset.chart, new uPlot(options(figure, names, labels), data, host));
      }
    }
  }

  function again() {
    for (const plot of plots.values()) plot.destroy();
    plots.clear();
    draw();
  }

  // A refresh replaces what is inside: whether the table was open is kept here.
  document.addEventListener("click", (event) => {
    if (event.target.closest("#as-table > summary")) open = !event.target.closest("details").open;
  });
  document.addEventListener("htmx:after:swap", () => {
    document.getElementById("as-table").open = open;
    draw();
  });
  // Paper has the light colours, and its own width.
  for (const media of ["(prefers-color-scheme: dark)", "print"]) matchMedia(media).addEventListener("change", again);
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth === width) return;
    width = innerWidth;
    again();
  });
  draw();
})();
