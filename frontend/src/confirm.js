// A form with data-sure="…" asks before it is sent; with data-sure-word it wants that word written first. Its part of the
// page may be exchanged while it asks; the form that was asked about is sent all the same.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.sure === undefined || form.dataset.isSure) return;
  const dialog = document.getElementById("sure");
  if (!dialog) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  const button = event.submitter;
  const word = form.dataset.sureWord ?? "";
  const field = dialog.querySelector("input");
  const go = dialog.querySelector("[data-go-on]");
  dialog.querySelector("[data-question]").textContent = form.dataset.sure;
  dialog.querySelector("[data-word-row]").hidden = !word;
  dialog.querySelector("[data-word]").textContent = word;
  go.textContent = button?.textContent.trim() || go.textContent;
  field.value = "";
  const ready = () => { go.disabled = Boolean(word) && field.value.trim() !== word; };
  ready();
  field.oninput = ready;
  go.onclick = () => {
    dialog.close();
    form.dataset.isSure = "yes";
    if (!form.isConnected) {
      form.hidden = true;
      document.body.append(form);
    }
    form.requestSubmit(button);
    delete form.dataset.isSure;
  };
  dialog.showModal();
}, true);
