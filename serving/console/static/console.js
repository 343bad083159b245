// Keys, dialogs, and times that run: what a page needs besides htmx. No framework, nothing to build.
"use strict";
(() => {
  const typing = (target) => target.closest("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]");
  const seen = (element) => element.getClientRects().length > 0 || element.dataset.opens;
  const keyed = () => [...document.querySelectorAll("[data-key]")].filter(seen);
  const rows = () => [...document.querySelectorAll("[data-row]")];

  function walk(step) {
    const all = rows();
    if (!all.length) return;
    const at = all.findIndex((row) => row.contains(document.activeElement));
    const to = at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + step));
    const link = all[to].querySelector("a, button");
    link.focus();
    all[to].scrollIntoView({ block: "nearest" });
  }

  function open(id) {
    const dialog = document.getElementById(id);
    if (id === "keys") fill(dialog);
    dialog.showModal();
  }

  function fill(dialog) {
    const list = dialog.querySelector("[data-keys-list]");
    list.querySelectorAll("[data-keys-made]").forEach((one) => one.remove());
    list.querySelector("[data-keys-rows]").hidden = !rows().length;
    const field = document.querySelector("[data-focus]");
    const entries = keyed().map((one) => [one.dataset.key, one.dataset.keyName]);
    if (field) entries.push([field.dataset.focus, field.labels[0].textContent]);
    const named = new Map(entries.map(([key, name]) => [key, name]));
    for (const [key, name] of named) {
      const entry = document.createElement("div");
      entry.dataset.keysMade = "";
      const term = document.createElement("dt");
      const cap = document.createElement("kbd");
      cap.textContent = key.toUpperCase();
      term.append(cap);
      const about = document.createElement("dd");
      about.textContent = name;
      entry.append(term, about);
      list.append(entry);
    }
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || event.isComposing) return;
    if (typing(event.target) || document.querySelector("dialog[open]")) return;
    const key = event.key.toLowerCase();
    const field = document.querySelector("[data-focus]");
    const hit = keyed().find((one) => one.dataset.key === key && !one.disabled);
    if (field && field.dataset.focus === key) {
      field.closest("details")?.setAttribute("open", "");
      field.focus();
    }
    else if (hit) hit.click();
    else if (key === "j") walk(1);
    else if (key === "k") walk(-1);
    else return;
    event.preventDefault();
  });

  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-opens]");
    if (opener) open(opener.dataset.opens);
  });

  // The time that is left of a lease, second by second.
  function tick() {
    for (const one of document.querySelectorAll("[data-until]")) {
      const left = Math.max(0, Math.round((Date.parse(one.dataset.until) - Date.now()) / 1000));
      one.textContent = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
      one.classList.toggle("late", left < 60);
    }
  }

  function ready() {
    document.querySelectorAll("[data-opens][hidden]").forEach((one) => { one.hidden = false; });
    if (matchMedia("(max-width: 720px)").matches) {
      document.querySelectorAll("details[data-fold='']").forEach((one) => { one.open = false; one.dataset.fold = "kept"; });
    }
    tick();
  }

  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone) document.cookie = `touchstone-zone=${encodeURIComponent(zone)}; path=/; max-age=31536000; samesite=lax`;
  document.addEventListener("htmx:afterSettle", ready);
  setInterval(tick, 1000);
  ready();
})();
