// A file field with words of our own (web/templates/ui.html): which file was chosen.
document.addEventListener("change", (event) => {
  const told = event.target.closest(".file-field")?.querySelector(".file-chosen");
  if (told) told.textContent = event.target.files[0]?.name ?? told.dataset.none;
});
