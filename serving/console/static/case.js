// A case's page: its dialogs, the reasons by digit, the photo over the reference. Works with what htmx puts in later.
"use strict";
(() => {
  const REASONS = "#takedown [name=reason_code]";
  const byId = (id) => document.getElementById(id);

  function show(dialog) {
    if (dialog.open) dialog.close();
    dialog.showModal();
    const chosen = dialog.querySelector("[aria-invalid], :checked") || dialog.querySelector("[data-first]");
    if (chosen) chosen.focus();
  }

  // The law that goes with a reason, unless somebody has written another.
  function suggest(radio) {
    const reference = byId("takedown-reference");
    const known = [...document.querySelectorAll(REASONS)].map((one) => one.dataset.reference);
    if (reference && known.includes(reference.value)) reference.value = radio.dataset.reference;
    const ground = byId("takedown-ground");
    if (ground && !ground.dataset.chosen) ground.value = radio.dataset.ground;
  }

  function place(range) {
    const compare = document.querySelector("[data-compare]");
    compare.style.setProperty("--at", `${range.value}%`);
    const flip = document.querySelector("[data-flip]");
    flip.setAttribute("aria-pressed", String(Number(range.value) >= 50));
  }

  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-dialog]");
    const closer = event.target.closest("[data-closes]");
    const flip = event.target.closest("[data-flip]");
    if (opener || closer) event.preventDefault();
    if (opener) show(byId(opener.dataset.dialog));
    if (closer) closer.closest("dialog").close();
    if (flip) {
      const range = document.querySelector("[data-blend]");
      range.value = Number(range.value) >= 50 ? 0 : 100;
      place(range);
    }
  });

  document.addEventListener("input", (event) => {
    if (event.target.matches("[data-blend]")) place(event.target);
    if (event.target.matches(REASONS)) suggest(event.target);
    if (event.target.id === "takedown-ground") event.target.dataset.chosen = "1";
  });

  // A slider that was dragged keeps no keys to itself.
  document.addEventListener("pointerup", (event) => {
    if (event.target.matches("[data-blend]")) event.target.blur();
  });

  document.addEventListener("keydown", (event) => {
    const dialog = byId("takedown");
    if (!dialog || !dialog.open || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.matches("textarea, input:not([type=radio]), select")) return;
    const radio = document.querySelectorAll(REASONS)[Number(event.key) - 1];
    if (!radio) return;
    radio.checked = true;
    radio.focus();
    suggest(radio);
    event.preventDefault();
  });

  // A picture that does not come says so.
  document.addEventListener("error", (event) => {
    if (!(event.target instanceof HTMLImageElement)) return;
    const figure = event.target.closest("figure");
    const lost = figure && figure.querySelector(".lost");
    if (!lost) return;
    figure.classList.add("is-lost");
    lost.hidden = false;
  }, true);

  function ready() {
    document.documentElement.classList.add("scripted");
    document.querySelectorAll("[data-scripted][hidden]").forEach((one) => { one.hidden = false; });
    document.querySelectorAll("dialog[open]").forEach((one) => { if (!one.matches(":modal")) show(one); });
  }

  document.addEventListener("htmx:afterSettle", (event) => {
    ready();
    if (event.detail.target === document.body) byId("main").focus({ preventScroll: true });
  });
  ready();
})();
