// A form with data-upload="/v1/…" sends the file of its file field there, as it is, and shows how far it has come. The
// address may hold {name}, of the file, and the names of the form's other fields. Afterwards the browser goes to data-then, where {id} is the id that was answered.
import { token } from "./pages.js";

const addressOf = (form, file) => {
  const typed = new FormData(form);
  return form.dataset.upload.replace(/\{(\w+)\}/g, (_, field) =>
    encodeURIComponent(field === "name" ? file.name : (typed.get(field) ?? "")));
};

const send = (form, file, progress) =>
  new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // fetch tells nothing of what has been sent
    request.open(form.dataset.method ?? "POST", addressOf(form, file));
    request.setRequestHeader("X-Angarium-Token", token());
    request.setRequestHeader("Content-Type", form.dataset.type ?? "application/octet-stream");
    request.upload.onprogress = (event) => { if (progress && event.total) progress.value = event.loaded / event.total; };
    request.onload = () => {
      let told = {};
      try { told = JSON.parse(request.responseText); } catch { /* an empty answer */ }
      request.status < 300 ? resolve(told) : reject(new Error(told.detail || told.title || String(request.status)));
    };
    request.onerror = () => reject(new Error(form.dataset.lost ?? "…"));
    request.send(file);
  });

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (form.dataset.upload === undefined) return;
  event.preventDefault();
  const file = form.querySelector("input[type=file]").files[0];
  const wrong = form.querySelector("[data-wrong]");
  const progress = form.querySelector("progress");
  const button = form.querySelector("button[type=submit], button:not([type])");
  if (!file) return;
  wrong.hidden = true;
  if (progress) progress.hidden = false;
  button.disabled = true;
  try {
    const told = await send(form, file, progress);
    location.assign(form.dataset.then.replace("{id}", encodeURIComponent(told.id ?? "")));
  } catch (problem) {
    wrong.textContent = problem.message;
    wrong.hidden = false;
    button.disabled = false;
    button.focus(); // a button that was disabled has lost it
    if (progress) progress.hidden = true;
  }
});
