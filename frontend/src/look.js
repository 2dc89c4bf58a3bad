// Before the page is drawn: "auto" becomes the theme that the machine has. It stands in the head, so nothing flashes.
const root = document.documentElement;
const dark = matchMedia("(prefers-color-scheme: dark)");
const apply = () => {
  const wanted = root.dataset.theme;
  root.dataset.bsTheme = wanted === "auto" ? (dark.matches ? "dark" : "light") : wanted;
};
apply();
dark.addEventListener("change", apply);
