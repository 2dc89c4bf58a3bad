// A file that is chosen where data-reads-into names a text field is read into that field, to be looked at and sent with
// the rest of the form.
document.addEventListener("change", async (event) => {
  const chosen = event.target;
  const into = chosen.dataset?.readsInto && document.getElementById(chosen.dataset.readsInto);
  const file = into && chosen.files[0];
  if (!file) return;
  into.value = await file.text();
  into.dispatchEvent(new Event("input", { bubbles: true }));
});
