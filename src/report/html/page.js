// Shows the report that the page holds. Names are the program's: they are put in as text, never as
// markup. The address's fragment says what is shown: #sort=blocks&order=ascending&filter=cache&open=1
"use strict";
(() => {
  const $ = (id) => document.getElementById(id);

  // What goes wrong is told on the page: nobody looks at the console.
  window.addEventListener("error", (event) => {
    $("problems").append(make("p", { class: "problem" }, `The page has failed: ${event.message}`));
  });

  /** An element; children are elements or text. */
  function make(name, attributes, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) {
      if (value !== null && value !== undefined && value !== false) element.setAttribute(key, value);
    }
    element.append(...children.filter((child) => child !== null));
    return element;
  }

  function draw(name, attributes, ...children) {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  }

  // Figures for people; the exact ones are shown when the pointer rests on them.

  const UNITS = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"];
  const count = (number) => number.toLocaleString("en");

  function size(bytes) {
    let unit = 0;
    let value = Math.abs(bytes);
    while (value >= 1024 && unit < UNITS.length - 1) {
      value /= 1024;
      unit += 1;
    }
    const digits = unit === 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
    return `${bytes < 0 ? "\u2212" : ""}${value.toFixed(digits)} ${UNITS[unit]}`;
  }

  const change = (bytes) => (bytes > 0 ? `+${size(bytes)}` : size(bytes));

  function time(seconds) {
    if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
    if (seconds < 3600) return `${(seconds / 60).toFixed(seconds < 600 ? 1 : 0)} min`;
    if (seconds < 86400) return `${(seconds / 3600).toFixed(1)} h`;
    return `${(seconds / 86400).toFixed(1)} d`;
  }

  const exactBytes = (bytes) => `${count(bytes)} bytes`;
  const exactSeconds = (seconds) => `${count(seconds)} seconds`;
  const exact = (title, text) => make("span", { title }, text);
  const bytes = (number) => exact(exactBytes(number), size(number));
  const plural = (number, what) => `${count(number)} ${what}${number === 1 ? "" : "s"}`;
  const percent = (part) => `${(100 * part).toFixed(part >= 0.1 || part === 0 ? 0 : part < 0.01 ? 2 : 1)} %`;

  const report = JSON.parse($("report").textContent);
  const live = report.memory.live_bytes;
  const known = report.sites.reduce((sum, site) => sum + site.live_bytes, 0);
  const share = (part) => (known > 0 ? part / known : 0);
  const isEstimate = report.sample !== null && report.sample > 0;

  function showAbout() {
    const { jdk, pid, taken, options, offheap } = report;
    const parts = [];
    if (jdk !== null) {
      const version = jdk.version === null ? "that has not started" : jdk.version;
      parts.push(make("b", { title: `${jdk.vm} ${jdk.vm_version}` }, `JDK ${version}`), ` (${jdk.vm})`);
    }
    const at = new Date(taken * 1000);
    const said = at.toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "medium" });
    parts.push(parts.length ? ", process " : "Process ", make("b", {}, String(pid)));
    parts.push(", ", make("time", { datetime: at.toISOString(), title: at.toISOString() }, said));
    parts.push(`; offheap ${offheap}`);
    if (options) parts.push(" with ", make("code", {}, options));
    $("about").append(...parts);
    document.title = `offheap: ${size(live)} live, process ${pid}`;
  }

  function showFigures() {
    const memory = report.memory;
    const figure = (name, value, more, extra, kind) =>
      $("figures").append(
        make(
          "div",
          { class: `figure${kind || ""}` },
          make("div", { class: "name" }, name),
          make("div", { class: "value" }, value),
          make("div", { class: "more" }, more),
          extra || null,
        ),
      );
    figure("Live", bytes(live), plural(memory.live_blocks, "block"));
    figure("Peak", bytes(memory.peak_bytes), `${plural(memory.peak_blocks, "block")} at most`);
    figure("Allocated since the start", bytes(memory.allocated_bytes), plural(memory.allocated_blocks, "block"));
    const refused = `${plural(memory.refusals, "refusal")}`;
    if (memory.limit === null) {
      figure("Limit", "none", refused);
    } else {
      const used = memory.limit > 0 ? live / memory.limit : 1;
      const width = `width: ${Math.min(100, 100 * used)}%`;
      const meter = make("div", { class: `meter${used > 0.9 ? " full" : ""}` }, make("div", { style: width }));
      figure("Limit", bytes(memory.limit), `${percent(used)} used, ${refused}`, meter);
    }
    if (report.icebergs !== null) {
      const { unreachable_bytes, unreachable_blocks } = report.icebergs.total;
      const blocks = `${plural(unreachable_blocks, "block")} of buffers nobody can reach`;
      figure("Waiting for a collection", bytes(unreachable_bytes), blocks);
    }
    if (Number.isInteger(report.misuse) && report.misuse > 0) {
      figure("Wrong releases", count(report.misuse), "each told on stderr", null, " bad");
    }
  }

  // Live bytes over time.

  /** Round values from 0 to just above `most`: whole powers of two of bytes. */
  function byteSteps(most) {
    let step = 1;
    while (step * 4 < most) step *= 2;
    const steps = [];
    for (let value = 0; value < most + step; value += step) steps.push(value);
    return steps;
  }

  function timeSteps(most) {
    const round = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 21600, 43200, 86400];
    let step = round.find((candidate) => most / candidate <= 10);
    if (step === undefined) step = 86400 * Math.ceil(most / 864000);
    const steps = [];
    for (let value = 0; value <= most; value += step) steps.push(value);
    return steps;
  }

  function showChart() {
    const chart = $("chart");
    const moments = report.history;
    if (moments.length < 2) {
      chart.replaceChildren(make("p", { class: "note" }, "The program has not run long enough for a history."));
      return;
    }
    const [width, height, left, right, top, bottom] = [chart.clientWidth, 220, 64, 12, 10, 22];
    const start = moments[0].seconds;
    const seconds = Math.max(moments[moments.length - 1].seconds - start, 0.001);
    const most = Math.max(1, ...moments.map((moment) => moment.live_bytes));
    const limit = report.memory.limit;
    const isNear = limit !== null && limit <= 2 * most;
    const steps = byteSteps(isNear ? Math.max(most, limit) : most);
    const highest = steps[steps.length - 1];
    const x = (moment) => left + ((moment.seconds - start) / seconds) * (width - left - right);
    const y = (value) => top + (1 - value / highest) * (height - top - bottom);

    const name = `Live bytes over ${time(seconds)}: at most ${size(most)}, at last ${size(moments[moments.length - 1].live_bytes)}`;
    const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, height, role: "img", "aria-label": name });
    for (const value of steps) {
      svg.append(draw("line", { class: "grid", x1: left, x2: width - right, y1: y(value), y2: y(value) }));
      const words = value === 0 ? "0" : size(value).replace(/\.0+ /, " ");
      svg.append(draw("text", { x: left - 8, y: y(value) + 4, "text-anchor": "end" }, words));
    }
    for (const value of timeSteps(seconds)) {
      const at = x({ seconds: value + start });
      svg.append(draw("line", { class: "grid", x1: at, x2: at, y1: height - bottom, y2: height - bottom + 4 }));
      const words = time(value).replace(/\.0 /, " ");
      svg.append(draw("text", { x: at, y: height - 4, "text-anchor": value === 0 ? "start" : at > width - 30 ? "end" : "middle" }, words));
    }
    const points = moments.map((moment) => `${x(moment).toFixed(1)},${y(moment.live_bytes).toFixed(1)}`);
    const ends = [x(moments[moments.length - 1]).toFixed(1), y(0), left];
    svg.append(draw("path", { class: "area", d: `M${points.join("L")}L${ends[0]},${ends[1]}L${ends[2]},${ends[1]}Z` }));
    svg.append(draw("path", { class: "curve", d: `M${points.join("L")}` }));
    if (isNear) {
      svg.append(draw("line", { class: "limit", x1: left, x2: width - right, y1: y(limit), y2: y(limit) }));
      svg.append(draw("text", { class: "limit-name", x: left + 6, y: y(limit) + 14 }, `limit ${size(limit)}`));
    }

    const cursor = draw("line", { class: "cursor", y1: top, y2: height - bottom, visibility: "hidden" });
    const dot = draw("circle", { class: "dot", r: 4.5, visibility: "hidden" });
    const reading = make("div", { id: "reading", hidden: "" });
    svg.append(cursor, dot);
    svg.addEventListener("pointermove", (event) => {
      const at = event.clientX - svg.getBoundingClientRect().left;
      const near = (best, moment) => (Math.abs(x(moment) - at) < Math.abs(x(best) - at) ? moment : best);
      const moment = moments.reduce(near);
      const [px, py] = [x(moment), y(moment.live_bytes)];
      cursor.setAttribute("x1", px);
      cursor.setAttribute("x2", px);
      dot.setAttribute("cx", px);
      dot.setAttribute("cy", py);
      for (const mark of [cursor, dot]) mark.setAttribute("visibility", "visible");
      reading.textContent = `${size(moment.live_bytes)} after ${time(moment.seconds - start)}`;
      reading.title = exactBytes(moment.live_bytes);
      reading.hidden = false;
      reading.style.left = `${Math.min(Math.max(px - reading.offsetWidth / 2, 0), width - reading.offsetWidth)}px`;
    });
    svg.addEventListener("pointerleave", () => {
      reading.hidden = true;
      for (const mark of [cursor, dot]) mark.setAttribute("visibility", "hidden");
    });
    chart.replaceChildren(svg, reading);
  }

  // The sites.

  const PORTION = 200;
  const none = () => make("span", { class: "none" }, "\u2013");

  /** `package.` fainter than `Class.method:line`. */
  function callText(call) {
    const method = call.lastIndexOf(".");
    const end = call.lastIndexOf(".", method - 1) + 1;
    return [make("span", { class: "package" }, call.slice(0, end)), make("span", { class: "name" }, call.slice(end))];
  }

  const ownerOf = (site) => site.owner ?? site.stack[0] ?? "";
  const unreachable = (site) => (site.icebergs === null ? null : site.icebergs.unreachable_bytes);

  // Before the first report that was asked for, all has grown from nothing.
  const isMarked = report.sites.some((site) => site.growth_bytes !== site.live_bytes);

  function growth(site) {
    if (site.growth_bytes === 0) return none();
    const kind = !isMarked ? "package" : site.growth_bytes > 0 ? "grown" : "shrunk";
    return make("span", { class: kind, title: exactBytes(site.growth_bytes) }, change(site.growth_bytes));
  }

  // What a column is called, its value to sort by, and its cell. Words ascend at first, figures descend.
  const COLUMNS = [
    { key: "owner", name: "Owner", words: true, value: ownerOf },
    { key: "kind", name: "Kind", words: true, value: (site) => site.family, show: (site) => site.family },
    { key: "pool", name: "Pool", words: true, value: (site) => site.pool, show: (site) => (site.pool === null ? none() : exact(site.pool, site.pool)) },
    { key: "live", name: "Live", value: (site) => site.live_bytes, show: (site) => bytes(site.live_bytes) },
    { key: "share", name: "Share", value: (site) => site.live_bytes, show: (site) => percent(share(site.live_bytes)) },
    { key: "blocks", name: "Blocks", value: (site) => site.live_blocks, show: (site) => count(site.live_blocks) },
    { key: "growth", name: "Growth", about: "Change of live bytes since the last report that marked, or the start", value: (site) => site.growth_bytes, show: growth },
    { key: "allocated", name: "Allocated", about: "Since the start", value: (site) => site.allocated_bytes, show: (site) => bytes(site.allocated_bytes) },
    { key: "oldest", name: "Oldest", about: "Age of the oldest block", value: (site) => site.oldest_seconds, show: (site) => exact(exactSeconds(site.oldest_seconds), time(site.oldest_seconds)) },
    { key: "median", name: "Median", about: "Age that half of the blocks have", value: (site) => site.median_seconds, show: (site) => exact(exactSeconds(site.median_seconds), time(site.median_seconds)) },
    { key: "unreachable", name: "Unreachable", about: "Of buffers that nobody can reach, and that wait for a collection", value: unreachable, show: (site) => (unreachable(site) === null ? none() : bytes(unreachable(site))) },
  ];
  // A column without a value is not shown.
  const columns = COLUMNS.filter((column) => report.sites.some((site) => column.value(site) !== null));

  const state = { sort: "live", order: "descending", filter: "", open: -1, rows: PORTION };
  let listed = [];

  const firstOrder = (column) => (column.words ? "ascending" : "descending");

  function readAddress() {
    const asked = new URLSearchParams(location.hash.slice(1));
    const column = columns.find((candidate) => candidate.key === asked.get("sort"));
    state.sort = column ? column.key : "live";
    const order = asked.get("order");
    state.order = order === "ascending" || order === "descending" ? order : firstOrder(column ?? { words: false });
    state.filter = asked.get("filter") ?? "";
    state.open = Number.parseInt(asked.get("open") ?? "-1", 10);
    state.rows = Math.max(PORTION, Number.parseInt(asked.get("rows") ?? "0", 10) || 0);
    $("filter").value = state.filter;
  }

  function writeAddress() {
    const said = new URLSearchParams({ sort: state.sort, order: state.order });
    if (state.filter) said.set("filter", state.filter);
    try {
      history.replaceState(null, "", `#${said}`);
    } catch {
      // A page without an address of its own has nowhere to say it.
    }
  }

  const texts = new Map();
  /** All that a site can be found by. */
  function textOf(site) {
    let text = texts.get(site);
    if (text === undefined) {
      const { origin } = site;
      text = [...site.stack, site.family, site.pool, origin?.loader, origin?.location].join("\n").toLowerCase();
      texts.set(site, text);
    }
    return text;
  }

  function listSites() {
    const words = state.filter.toLowerCase().split(/\s+/).filter(Boolean);
    listed = report.sites.filter((site) => words.every((word) => textOf(site).includes(word)));
    const { value, words: areWords } = columns.find((column) => column.key === state.sort) ?? columns[0];
    const sign = state.order === "ascending" ? 1 : -1;
    const compare = areWords ? (a, b) => (a < b ? -1 : a > b ? 1 : 0) : (a, b) => a - b;
    listed.sort((a, b) => {
      const [left, right] = [value(a), value(b)];
      // What has no value stands last, whichever way.
      if (left === null || right === null) return (left === null) - (right === null);
      return sign * compare(left, right) || b.live_bytes - a.live_bytes;
    });
  }

  function siteRow(site) {
    const open = make("button", { type: "button", "aria-expanded": "false", title: ownerOf(site) }, ...callText(ownerOf(site)));
    const row = make("tr", { class: "site" }, make("td", { class: "call" }, open));
    for (const column of columns.slice(1)) {
      const cell = make("td", { class: column.words ? `words ${column.key}` : column.key }, column.show(site));
      if (column.key === "share") cell.style.backgroundSize = `${100 * share(site.live_bytes)}% 62%`;
      row.append(cell);
    }
    row.addEventListener("click", () => {
      // Who marks text to copy it has not asked for the stack.
      if (String(getSelection()) === "") toggle(row, open, site);
    });
    return row;
  }

  function toggle(row, open, site) {
    const isOpen = open.getAttribute("aria-expanded") === "true";
    open.setAttribute("aria-expanded", String(!isOpen));
    if (isOpen) row.nextElementSibling.remove();
    else row.after(stackRow(site));
  }

  function stackRow(site) {
    const owner = Math.max(0, site.stack.indexOf(site.owner));
    const kind = (place) => (place < owner ? "inward" : place === owner ? "owner" : "outward");
    const calls = site.stack.map((call, place) => make("li", { class: `call ${kind(place)}` }, call));
    const facts = [`${plural(site.allocated_blocks, "block")} taken since the start`];
    facts.push(isEstimate ? `estimated from ${plural(site.sampled_blocks, "sampled block")}` : "every block known");
    if (site.origin !== null) facts.push(`code from ${site.origin.location ?? "an unknown place"} (${site.origin.loader})`);
    if (site.icebergs !== null) {
      const { reachable_bytes, unreachable_bytes, unreachable_collections_median: median } = site.icebergs;
      const waited = median === null ? "" : `, half of them for ${plural(median, "collection")} or more`;
      facts.push(`${size(reachable_bytes)} reachable, ${size(unreachable_bytes)} wait for a collection${waited}`);
    }
    const cell = make("td", { colspan: columns.length }, make("p", {}, facts.join("; ")), make("ol", {}, ...calls));
    if (typeof window.search === "function" && site.live_bytes > 0) {
      const button = make("button", { type: "button", class: "in-graph" }, "Show in the flame graph");
      button.addEventListener("click", () => showInGraph(ownerOf(site)));
      cell.append(button);
    }
    return make("tr", { class: "stack" }, cell);
  }

  /** Has inferno's search mark the call. */
  function showInGraph(call) {
    window.unzoom();
    window.reset_search();
    window.search(`^${call.replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replace(/\s/g, ".")} \\(`);
    $("graph").scrollIntoView({ behavior: "smooth" });
  }

  function showSites() {
    listSites();
    const body = make("tbody", {});
    body.append(...listed.slice(0, state.rows).map(siteRow));
    $("sites-table").tBodies[0].replaceWith(body);
    for (const head of $("sites-table").tHead.rows[0].cells) {
      if (head.dataset.key === state.sort) head.setAttribute("aria-sort", state.order);
      else head.removeAttribute("aria-sort");
    }
    showMore();
    const asked = body.rows[state.open];
    if (asked) asked.click();
  }

  function showMore() {
    const [shown, all, sites] = [Math.min(state.rows, listed.length), listed.length, report.sites.length];
    const found = all === sites ? plural(sites, "site") : `${count(all)} of ${plural(sites, "site")}`;
    const part = all === 0 ? 0 : listed.reduce((sum, site) => sum + site.live_bytes, 0);
    $("shown").textContent = `${found}, ${size(part)}${shown < all ? `; the first ${count(shown)} are shown` : ""}`;
    $("more").hidden = shown >= all;
    $("more").textContent = `Show ${count(Math.min(PORTION, all - shown))} more`;
  }

  function showSitesTable() {
    const heads = columns.map((column) => {
      const button = make("button", { type: "button", title: column.about ?? null }, column.name);
      button.addEventListener("click", () => {
        const isSorted = state.sort === column.key;
        state.order = !isSorted ? firstOrder(column) : state.order === "ascending" ? "descending" : "ascending";
        Object.assign(state, { sort: column.key, rows: PORTION, open: -1 });
        writeAddress();
        showSites();
      });
      return make("th", { scope: "col", class: column.words ? "words" : null, "data-key": column.key }, button);
    });
    $("sites-table").append(make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}));
    $("sites-table").setAttribute("aria-labelledby", "sites-heading");

    let pending = 0;
    $("filter").addEventListener("input", () => {
      clearTimeout(pending);
      pending = setTimeout(() => {
        Object.assign(state, { filter: $("filter").value, rows: PORTION, open: -1 });
        writeAddress();
        showSites();
      }, 120);
    });
    $("more").addEventListener("click", () => {
      const more = listed.slice(state.rows, state.rows + PORTION);
      state.rows += PORTION;
      $("sites-table").tBodies[0].append(...more.map(siteRow));
      showMore();
    });
    window.addEventListener("hashchange", () => {
      readAddress();
      showSites();
    });
  }

  function aboutSites() {
    const growth = isMarked ? "the last report that marked" : "the start, as no report has marked yet";
    return `${howSampled()} Growth is since ${growth}.`;
  }

  function howSampled() {
    if (report.sample === null) return "Nothing is sampled: it is not known where blocks were taken.";
    if (report.sample === 0) return "Every block is known: the figures are exact.";
    const covered = `Of ${size(report.sample)} taken one byte on average is looked at: the figures are estimates`;
    return `${covered} without bias, rougher where few blocks were sampled.`;
  }

  // The small tables.

  function sumTable(title, note, rows) {
    if (rows.length === 0) return;
    const most = 12;
    const body = make("tbody", {});
    const line = ({ name, about, live_bytes, live_blocks, isPart }) =>
      make(
        "tr",
        { class: isPart ? "part" : null },
        make("td", { class: "words", title: about ?? name }, name),
        make("td", {}, bytes(live_bytes)),
        make("td", {}, count(live_blocks)),
      );
    body.append(...rows.slice(0, most).map(line));
    const heads = [["", "words"], ["Live", null], ["Blocks", null]];
    const head = make("tr", {}, ...heads.map(([name, kind]) => make("th", { scope: "col", class: kind }, name)));
    const table = make("table", { "aria-label": title }, make("thead", {}, head), body);
    const sheet = make("div", { class: "sum" }, make("h2", {}, title), make("p", { class: "note" }, note), table);
    if (rows.length > most) {
      const all = make("button", { type: "button", class: "all" }, `Show all ${count(rows.length)}`);
      all.addEventListener("click", () => {
        body.append(...rows.slice(most).map(line));
        all.remove();
      });
      sheet.append(make("p", {}, all));
    }
    $("sums").append(sheet);
  }

  function showSums() {
    const estimated = isEstimate ? "estimates" : "exact";
    const isMixed = report.families.some((sum) => sum.estimated);
    const isLooked = report.icebergs !== null && report.sample !== 0;
    const { younger_bytes, younger_blocks } = report.icebergs ?? { younger_blocks: 0 };
    const younger =
      younger_blocks > 0
        ? [{ name: "taken since the look began", live_bytes: younger_bytes, live_blocks: younger_blocks }]
        : [];
    sumTable(
      "By kind",
      isMixed ? "What is marked with ~ is an estimate." : isLooked ? "Exact: the look at the heap has told it." : "Exact.",
      [
        ...report.families.map((sum) => ({ ...sum, name: `${sum.estimated ? "~ " : ""}${sum.family}` })),
        ...younger,
      ],
    );
    const threadName = (sum) => `${sum.name ?? "ended"} (${sum.thread})`;
    sumTable(
      "Kept by pools",
      `What a pool keeps is no leak; ${estimated}.`,
      report.pools.flatMap((sum) => [
        { ...sum, name: sum.pool },
        ...sum.threads.map((thread) => ({ ...thread, name: `thread ${threadName(thread)}`, isPart: true })),
      ]),
    );
    sumTable(
      "By jar and class loader",
      `Where the owner's code came from; ${estimated}.`,
      report.origins.map((sum) => ({
        ...sum,
        name: sum.location === null ? sum.loader : `${sum.location.replace(/\/+$/, "").split("/").pop()} (${sum.loader})`,
        about: sum.location === null ? sum.loader : `${sum.location} (${sum.loader})`,
      })),
    );
    sumTable("By thread that took it", "Exact.", report.threads.map((sum) => ({ ...sum, name: threadName(sum) })));
    if (report.icebergs !== null) {
      const { total, pause_seconds } = report.icebergs;
      const { unreachable_collections_median: median, unreachable_collections_most: longest } = total;
      const waited = median === null ? "" : ` Half of those that wait have survived ${plural(median, "collection")} or more, one ${count(longest)}.`;
      sumTable(
        "Buffers on the heap, and what they hold",
        `Exact; the look at the heap stopped the program for ${(pause_seconds * 1000).toFixed(1)} ms.${waited}`,
        [
          { name: "reachable", live_bytes: total.reachable_bytes, live_blocks: total.reachable_blocks },
          { name: "waiting for a collection", live_bytes: total.unreachable_bytes, live_blocks: total.unreachable_blocks },
        ],
      );
    }
  }

  function showCalls() {
    const table = (title, heads, rows) => {
      const row = (cell, cells) => make("tr", {}, ...cells.map((content, place) => cell(content, place === 0)));
      const head = row((name, isFirst) => make("th", { scope: "col", class: isFirst ? "words" : null }, name), heads);
      const body = rows.map((cells) => row((content, isFirst) => make("td", { class: isFirst ? "words" : null }, content), cells));
      const content = make("table", { "aria-label": title }, make("thead", {}, head), make("tbody", {}, ...body));
      $("calls").append(make("details", {}, make("summary", {}, title), make("div", { class: "wide" }, content)));
    };
    const { sockets, channels, natives } = report;
    table(
      "Input and output",
      ["", "Reads", "Bytes", "Writes", "Bytes", "Inside"],
      [
        ["java.net streams", count(sockets.reads), bytes(sockets.bytes_received), count(sockets.writes), bytes(sockets.bytes_sent), count(sockets.blocked)],
        ["sun.nio.ch channels", count(channels.reads), bytes(channels.bytes_read), count(channels.writes), bytes(channels.bytes_written), count(channels.blocked)],
      ],
    );
    const bound = natives.filter((native) => native.bound);
    if (bound.length === 0) return;
    table(
      `Natives answered here: ${bound.length} of ${natives.length}`,
      ["", "Calls answered", "Passed on"],
      bound.map((native) => [`${native.class}.${native.name}`, count(native.answered), count(native.passed)]),
    );
  }

  // inferno takes the browser's own search away from the whole page, for one in the graph alone.
  window.addEventListener(
    "keydown",
    (event) => {
      if (event.key === "F3" || (event.ctrlKey && event.key.toLowerCase() === "f")) event.stopPropagation();
    },
    true,
  );

  showAbout();
  showFigures();
  $("sites-note").textContent = aboutSites();
  if (report.sites.length === 0) {
    $("graph").hidden = true;
    $("sites").hidden = report.sample === null;
  }
  showSitesTable();
  readAddress();
  showSites();
  showSums();
  showCalls();
  // inferno takes the page's first drawing for its own, so it is let begin.
  window.addEventListener("load", () => {
    showChart();
    window.addEventListener("resize", showChart);
    document.documentElement.dataset.shown = String(Math.round(performance.now()));
  });
})();
