"use strict";
(() => {
  const FIRST = 48;
  const by = (id) => document.getElementById(id);
  const look = by("look"), order = by("order"), shown = by("shown"), all = by("all");
  const cells = [...by("sheet").children].map((node, place) => ({
    node, place, key: node.dataset.key, score: node.dataset.score, date: node.dataset.date,
    tags: (node.querySelector(".words")?.textContent ?? "").toLowerCase().split(", "),
  }));
  let whole = false;

  const plain = (text) => text.trim().toLowerCase();
  const spoken = (text) => text.replaceAll("_", " ");
  const has = (cell, word) => cell.key.toLowerCase().includes(word)
    || cell.tags.some((tag) => tag.includes(word) || tag.includes(spoken(word)));
  const fits = (cell, words) => words.every((word) =>
    word.length > 1 && word[0] === "-" ? !has(cell, word.slice(1)) : has(cell, word));
  const names = new Intl.Collator("en", { numeric: true });
  const orders = {
    key: (a, b) => names.compare(a.key, b.key),
    score: (a, b) => (b.score === "" ? -Infinity : +b.score) - (a.score === "" ? -Infinity : +a.score),
    date: (a, b) => b.date.localeCompare(a.date),
  };

  function show() {
    const words = look.value.split(",").map(plain).filter(Boolean);
    const sorted = [...cells].sort((a, b) => (orders[order.value]?.(a, b) || 0) || a.place - b.place);
    const found = sorted.filter((cell) => fits(cell, words));
    const first = new Set(whole ? found : found.slice(0, FIRST));
    for (const cell of sorted) cell.node.hidden = !first.has(cell);
    by("sheet").append(...sorted.map((cell) => cell.node));
    shown.textContent = words.length ? `${found.length} of ${cells.length}` : "";
    all.hidden = first.size === found.length;
    all.textContent = `Show all ${found.length.toLocaleString("en")}`;
  }

  look.form.hidden = false;
  look.form.addEventListener("submit", (event) => event.preventDefault());
  look.addEventListener("input", show);
  order.addEventListener("change", show);
  all.addEventListener("click", () => {
    whole = true;
    show();
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-look]");
    if (!link) return;
    look.value = link.dataset.look;
    show();
  });
  show();
})();
