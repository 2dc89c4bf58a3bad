// The command bar: a dialog with a field; arrows choose among what is found, Enter goes there.
const dialog = () => document.getElementById("palette");

const move = (by) => {
  const items = [...dialog().querySelectorAll("a[role=option]")];
  if (!items.length) return;
  const at = items.findIndex((one) => one.getAttribute("aria-selected") === "true");
  const next = items[(at + by + items.length) % items.length];
  items.forEach((one) => one.setAttribute("aria-selected", String(one === next)));
  next.scrollIntoView({ block: "nearest" });
  dialog().querySelector("input").setAttribute("aria-activedescendant", next.id);
};

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-open-palette]");
  if (opener && dialog()) {
    dialog().showModal();
    dialog().querySelector("input").select();
  }
  const shower = event.target.closest("[data-open-dialog]");
  if (shower) document.getElementById(shower.dataset.openDialog)?.showModal();
  if (event.target.closest("[data-open-keys]")) document.getElementById("keys")?.showModal();
  if (event.target.closest("[data-close]")) event.target.closest("dialog")?.close();
  if (event.target instanceof HTMLDialogElement && event.target.dataset.light !== undefined) event.target.close(); // its backdrop
});

document.addEventListener("keydown", (event) => {
  if (!dialog()?.open) return;
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    move(event.key === "ArrowDown" ? 1 : -1);
    event.preventDefault();
  } else if (event.key === "Enter") {
    const chosen = dialog().querySelector("a[aria-selected=true]") ?? dialog().querySelector("a[role=option]");
    if (chosen) {
      event.preventDefault();
      chosen.click();
    }
  }
});
