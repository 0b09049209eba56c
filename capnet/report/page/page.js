(() => {
  "use strict";
  const CHINESE = {
    copy: "复制", copied: "已复制", "Filter rows": "筛选行", of: "/", Larger: "放大", Smaller: "缩小",
    "Original size": "原始大小",
  };
  const say = (text) => (document.documentElement.lang === "zh" ? CHINESE[text] : text);
  const make = (tag, properties, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };

  // Copy: a button beside what is to be pasted elsewhere.
  const copy = async (text, button) => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = make("textarea", { value: text, readOnly: true });
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    button.textContent = say("copied");
    setTimeout(() => { button.textContent = say("copy"); }, 1500);
  };
  for (const code of document.querySelectorAll("code.copy")) {
    const button = make("button", { type: "button", className: "copy-button", textContent: say("copy") });
    button.addEventListener("click", () => copy(code.textContent, button));
    code.after(" ", button);
  }

  // Tables: a filter above, and headings that sort.
  const UNITS = { ns: 1e-9, "µs": 1e-6, ms: 1e-3, s: 1, min: 60, h: 3600, B: 1, kB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12 };
  const valueOf = (row, index) => {
    const text = row.cells[index]?.innerText.trim() ?? "";
    const match = /^[+<]?([−-]?[\d,]*\.?\d+)\s*(%|[a-zµ]+B?|[kMGT]?B)?/i.exec(text);
    if (!match || /^\d+\.\d+\.\d/.test(text) || /^[\da-f]*:/i.test(text)) return text.toLowerCase();
    return Number(match[1].replaceAll(",", "").replace("−", "-")) * (UNITS[match[2]] ?? 1);
  };
  const compare = (a, b) => {
    if (typeof a === typeof b) return typeof a === "number" ? a - b : a.localeCompare(b);
    return typeof a === "number" ? -1 : 1;
  };
  for (const table of document.querySelectorAll("section table")) {
    const body = table.tBodies[0];
    if (body.rows.length < 2) continue;
    const headings = [...table.tHead.rows[0].cells];
    headings.forEach((heading, index) => {
      if (!heading.textContent) return;
      const button = make("button", { type: "button", className: "sort", textContent: heading.textContent });
      heading.replaceChildren(button);
      button.addEventListener("click", () => {
        const isUp = heading.getAttribute("aria-sort") !== "ascending";
        headings.forEach((other) => other.removeAttribute("aria-sort"));
        heading.setAttribute("aria-sort", isUp ? "ascending" : "descending");
        const rows = [...body.rows].map((row) => [valueOf(row, index), row]);
        rows.sort((a, b) => (isUp ? compare(a[0], b[0]) : compare(b[0], a[0])));
        body.append(...rows.map((pair) => pair[1]));
      });
    });
    if (body.rows.length < 6) continue;
    const box = make("input", { type: "search", className: "filter", placeholder: say("Filter rows") });
    box.setAttribute("aria-label", say("Filter rows"));
    const tally = make("span", { className: "soft small tally" });
    box.addEventListener("input", () => {
      const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of body.rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
        shown += row.hidden ? 0 : 1;
      }
      tally.textContent = words.length ? `${shown} ${say("of")} ${body.rows.length}` : "";
    });
    table.parentElement.before(make("div", { className: "tools" }, box, " ", tally));
  }

  // The drawing: larger, smaller, as wide as the page.
  for (const figure of document.querySelectorAll("figure")) {
    const drawing = figure.querySelector("svg");
    const natural = Number(drawing.getAttribute("width"));
    let scale = 1;
    const zoom = (factor) => {
      scale = factor === 0 ? 1 : Math.min(4, Math.max(0.25, scale * factor));
      drawing.style.width = factor === 0 ? "" : `${natural * scale}px`;
      drawing.style.maxWidth = factor === 0 ? "" : "none";
    };
    const tools = make("div", { className: "tools zoom" });
    for (const [text, factor, label] of [["+", 1.25, "Larger"], ["−", 0.8, "Smaller"], ["1:1", 0, "Original size"]]) {
      const button = make("button", { type: "button", textContent: text, title: say(label) });
      button.setAttribute("aria-label", say(label));
      button.addEventListener("click", () => zoom(factor));
      tools.append(button);
    }
    figure.prepend(tools);
  }

  // What is folded is opened to be printed, and to be seen when a link leads there.
  const open = (element) => {
    for (let each = element; each; each = each.parentElement) if (each.tagName === "DETAILS") each.open = true;
  };
  const reveal = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target?.hidden) target.hidden = false; // a row that the filter of its table left out
    open(target);
  };
  addEventListener("hashchange", reveal);
  reveal();
  addEventListener("beforeprint", () => {
    for (const each of document.querySelectorAll("details:not([open])")) {
      each.open = true;
      each.dataset.folded = "";
    }
  });
  addEventListener("afterprint", () => {
    for (const each of document.querySelectorAll("details[data-folded]")) {
      each.open = false;
      delete each.dataset.folded;
    }
  });
})();
