// Filters what the page shows, and writes down what is ticked. It changes nothing anywhere else, and asks nobody.
"use strict";
(() => {
  const all = (query) => Array.from(document.querySelectorAll(query));
  const one = (id) => document.getElementById(id);
  document.documentElement.classList.add("js");

  // --- filter: one name, a verdict, words -------------------------------------------------------------------------
  let only = null;
  const rows = all("[data-row]");
  const listed = all("[data-row=listing]").length;
  const buttons = all("button[data-kind]");

  const fits = (row) => {
    const verdict = one("verdict").value;
    const words = one("words").value.trim().toLowerCase();
    if (verdict && row.dataset.verdict !== verdict) return false;
    if (words && !row.textContent.toLowerCase().includes(words)) return false;
    if (!only) return true;
    if (only.kind === "reason") return row.dataset.reason.split("\n").includes(only.name);
    return row.dataset[only.kind] === only.name;
  };

  const show = () => {
    let shown = 0;
    for (const row of rows) {
      row.hidden = !fits(row);
      if (!row.hidden && row.dataset.row === "listing") shown += 1;
    }
    for (const column of all(".scatter [data-brand]")) {
      column.classList.toggle("dim", Boolean(only && only.kind === "brand" && column.dataset.brand !== only.name));
    }
    for (const button of buttons) {
      const pressed = Boolean(only && button.dataset.kind === only.kind && button.dataset.name === only.name);
      button.setAttribute("aria-pressed", String(pressed));
    }
    one("only").hidden = !only;
    one("only-name").textContent = only ? `${only.kind} ${only.name}` : "";
    one("shown").textContent = `${shown} of the ${listed} flagged listings below`;
    one("nothing").hidden = shown > 0 || listed === 0;
  };

  for (const button of buttons) {
    button.addEventListener("click", () => {
      const { kind, name } = button.dataset;
      only = only && only.kind === kind && only.name === name ? null : { kind, name };
      show();
    });
  }
  one("only").addEventListener("click", () => { only = null; show(); one("words").focus(); });
  one("verdict").addEventListener("change", show);
  one("words").addEventListener("input", show);

  // --- selection --------------------------------------------------------------------------------------------------
  const kinds = ["listing", "brand", "seller", "category"];
  const ticked = Object.fromEntries(kinds.map((kind) => [kind, new Set()]));
  const ticks = all("input[data-tick]");

  const written = () => JSON.stringify({
    format_version: 1,
    scan_id: document.body.dataset.scan,
    listing_ids: [...ticked.listing],
    brands: [...ticked.brand],
    sellers: [...ticked.seller],
    categories: [...ticked.category],
  }, null, 1);

  const tell = () => {
    // A listing may stand on the page twice: as a match and as a row.
    for (const tick of ticks) tick.checked = ticked[tick.dataset.tick].has(tick.value);
    const plural = { listing: "listings", brand: "brands", seller: "sellers", category: "categories" };
    const said = kinds.filter((kind) => ticked[kind].size)
      .map((kind) => `${ticked[kind].size} ${ticked[kind].size === 1 ? kind : plural[kind]}`);
    one("ticked").textContent = said.length ? `Ticked: ${said.join(", ")}` : "Nothing is ticked";
    one("dock").hidden = said.length === 0;
    one("selection").value = written();
  };

  for (const tick of ticks) {
    tick.addEventListener("change", () => {
      ticked[tick.dataset.tick][tick.checked ? "add" : "delete"](tick.value);
      tell();
    });
  }
  one("tick-shown")?.addEventListener("click", () => {
    for (const row of rows) {
      if (!row.hidden && row.dataset.row === "listing") ticked.listing.add(row.querySelector("input[data-tick]").value);
    }
    tell();
  });
  one("clear").addEventListener("click", () => { for (const kind of kinds) ticked[kind].clear(); tell(); });
  one("save").addEventListener("click", () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([written()], { type: "application/json" }));
    link.download = "selection.json";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  });
  one("copy").addEventListener("click", async () => {
    const text = one("command").textContent;
    try {
      await navigator.clipboard.writeText(text);
      one("copied").textContent = "Copied.";
    } catch {
      getSelection().selectAllChildren(one("command"));
      one("copied").textContent = "Marked: copy it with your keyboard.";
    }
  });

  // --- paper: what is folded is printed too --------------------------------------------------------------------------
  const folded = () => all("main details:not([open])");
  let opened = [];
  addEventListener("beforeprint", () => { opened = folded(); for (const each of opened) each.open = true; });
  addEventListener("afterprint", () => { for (const each of opened) each.open = false; });

  show();
  tell();
})();
