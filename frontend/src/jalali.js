// In Persian a date is told in the calendar of Iran beside the field in which the browser has its own.
import { each } from "./pages.js";

each("[lang=fa] input[type=date], [lang=fa] input[type=datetime-local]", (field) => {
  const time = field.type === "date" ? {} : { timeStyle: "short" };
  const calendar = new Intl.DateTimeFormat("fa-IR-u-ca-persian", { dateStyle: "full", ...time, timeZone: "UTC" });
  const told = document.createElement("small");
  told.className = "form-hint";
  field.after(told);
  const show = () => {
    const at = new Date(`${field.value}${field.type === "date" ? "T00:00" : ""}Z`);
    told.textContent = Number.isNaN(at.getTime()) ? "" : calendar.format(at);
  };
  field.addEventListener("input", show);
  show();
});
