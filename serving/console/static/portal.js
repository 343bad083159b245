// Uploads: files are dropped or chosen, sent one after the other, and each is answered by its own line.
"use strict";
(() => {
  const form = document.querySelector("[data-upload]");
  if (!form) return;
  const LARGEST = 25 * 1024 * 1024;
  const find = (name) => form.parentElement.querySelector(`[data-${name}]`);
  const [list, bar, status, again] = ["results", "upload-progress", "upload-status", "upload-again"].map(find);
  const chooser = form.querySelector("input[type=file]");
  const button = form.querySelector("button");
  let running = false;

  function line(name) {
    const entry = document.createElement("li");
    const thumb = document.createElement("span");
    thumb.className = "thumb";
    const words = document.createElement("div");
    const title = document.createElement("bdi");
    title.textContent = name;
    const state = document.createElement("small");
    state.className = "soft";
    state.textContent = form.dataset.sending;
    words.append(title, document.createElement("br"), state);
    entry.append(thumb, words);
    list.append(entry);
    return entry;
  }

  function refuse(entry, why) {
    const state = entry.querySelector("small");
    state.className = "late";
    state.textContent = why;
  }

  function send(file, sent) {
    return new Promise((resolve) => {
      const data = new FormData(form);
      data.delete("files");
      data.append("files", file, file.name);
      const request = new XMLHttpRequest();
      request.open("POST", form.action);
      request.setRequestHeader("HX-Request", "true");
      request.upload.addEventListener("progress", (event) => sent(event.loaded));
      request.addEventListener("loadend", () => resolve(request));
      request.send(data);
    });
  }

  async function upload(files) {
    if (running || !files.length) return;
    running = button.disabled = true;
    bar.hidden = false;
    bar.max = files.reduce((sum, file) => sum + file.size, 0) || 1;
    let before = 0;
    // One at a time, so that the service's other callers are not kept waiting by a large batch.
    for (const [file, entry] of files.map((one) => [one, line(one.name)])) {
      if (file.size > LARGEST) refuse(entry, form.dataset.tooLarge);
      else {
        const request = await send(file, (bytes) => { bar.value = before + Math.min(bytes, file.size); });
        const answer = new DOMParser().parseFromString(request.responseText, "text/html");
        const result = answer.querySelector("li");
        if (request.status === 200 && result) entry.replaceWith(result);
        else refuse(entry, answer.body.textContent.trim() || form.dataset.failed);
      }
      before += file.size;
      bar.value = before;
    }
    running = button.disabled = false;
    bar.hidden = true;
    again.hidden = false;
    status.textContent = form.dataset.done;
    chooser.value = "";
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    upload([...chooser.files]);
  });
  for (const kind of ["dragover", "dragleave", "drop"]) {
    form.addEventListener(kind, (event) => {
      event.preventDefault();
      form.classList.toggle("is-over", kind === "dragover");
      if (kind === "drop") upload([...event.dataTransfer.files]);
    });
  }
})();
