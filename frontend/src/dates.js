// A date is written, or chosen, as readers of the page's language write it, in Persian in the calendar of Iran; what a
// form sends is the date as machines write it. The server reads all of these (core/days.py), so a page works without
// this. The months are those of Unicode (Intl).
const DAY = 86_400_000;
const { lang, dir, dataset } = document.documentElement;
const inIran = lang === "fa";
const dotted = lang === "uk" || lang === "ru"; // the day first, as `date_typed` has it (web/figures.py)
const backwards = dir === "rtl" ? -1 : 1;
const beginsOn = Number(dataset.week); // the day of the week; Sunday is 7
const told = (locale, options) =>
  new Intl.DateTimeFormat(`${locale}-u-ca-${inIran ? "persian" : "gregory"}-nu-${inIran ? "arabext" : "latn"}`, { ...options, timeZone: "UTC" });
const numbers = new Intl.DateTimeFormat("en-u-ca-persian", { year: "numeric", month: "numeric", day: "numeric", timeZone: "UTC" });
const monthName = told(lang, inIran ? { month: "long" } : { month: "long", year: "numeric" });
const [longDay, shortDay] = [told(lang, { weekday: "long" }), told(lang, { weekday: dir === "rtl" ? "narrow" : "short" })];
const wholeDay = told(lang, { weekday: "long", day: "numeric", month: "long", year: "numeric" });
const own = (text) => (inIran ? String(text).replace(/\d/g, (digit) => "۰۱۲۳۴۵۶۷۸۹"[digit]) : String(text));
const western = (text) => text.replace(/[۰-۹]/g, (digit) => digit.charCodeAt(0) - 0x6f0).replace(/[٠-٩]/g, (digit) => digit.charCodeAt(0) - 0x660);
const two = (number) => String(number).padStart(2, "0");

// A day is its midnight by UTC, in milliseconds.
const jalali = (at) => {
  const parts = Object.fromEntries(numbers.formatToParts(at).map(({ type, value }) => [type, Number.parseInt(value, 10)]));
  return [parts.year, parts.month, parts.day];
};
const from = (year, month, day) => {
  const near = Date.UTC(year + 621, 2, 21) + ((month < 8 ? (month - 1) * 31 : 186 + (month - 7) * 30) + day - 1) * DAY;
  for (const off of [0, -1, 1, -2, 2]) {
    const at = near + off * DAY;
    const [y, m, d] = jalali(at);
    if (y === year && m === month && d === day) return at;
  }
  return null;
};
const gregorian = (year, month, day) => {
  const at = Date.UTC(year, month - 1, day);
  return new Date(at).getUTCDate() === day && month <= 12 ? at : null;
};
const parts = (at) => {
  const there = new Date(at);
  return inIran ? jalali(at) : [there.getUTCFullYear(), there.getUTCMonth() + 1, there.getUTCDate()];
};
const made = inIran ? from : gregorian;
const known = (year) => (inIran ? year >= 1200 && year < 1600 : year >= 1000 && year < 10_000);
const TIME = /^([01]?\d|2[0-3]):([0-5]\d)$/;
const WRITTEN = /^(\d{4})[/.-](\d{1,2})[/.-](\d{1,2})(?:(?:\s*[T،,]\s*|\s+)(\d{1,2}:\d{2}))?$/;
const DAY_FIRST = /^(\d{1,2})\.(\d{1,2})\.(\d{4})/;
const read = (text) => {
  const found = WRITTEN.exec(western(text).trim().replace(DAY_FIRST, "$3-$2-$1"));
  if (!found) return null;
  const [year, month, day] = found.slice(1, 4).map(Number);
  const at = year >= 1200 && year < 1600 ? from(year, month, day) : gregorian(year, month, day);
  const time = found[4] ? TIME.exec(found[4]) : null;
  return at === null || (found[4] && !time) ? null : { at, time: time ? `${two(time[1])}:${time[2]}` : "" };
};
const iso = (field) => {
  const found = read(field.value);
  if (!found || (field.dataset.date === "day" && found.time)) return field.value;
  return new Date(found.at).toISOString().slice(0, 10) + (field.dataset.date === "moment" ? `T${found.time || "00:00"}` : "");
};
const written = (at, time) => {
  const [year, month, day] = parts(at);
  const its = [year, two(month), two(day)];
  const shown = dotted ? its.reverse().join(".") : its.join(inIran ? "/" : "-");
  return own(`${shown}${time ? ` ${time}` : ""}`);
};
const today = () => {
  const now = new Date();
  return Date.UTC(now.getFullYear(), now.getMonth(), now.getDate());
};
// The same day of another month, or the last of one that is shorter.
const turned = (at, months) => {
  const [year, month, day] = parts(at);
  const there = year * 12 + month - 1 + months;
  const [y, m] = [Math.floor(there / 12), (there % 12) + 1];
  return [day, 30, 29, 28].map((one) => made(y, m, one)).find((one) => one !== null);
};
const weekday = (at) => (new Date(at).getUTCDay() + 7 - beginsOn) % 7;

document.documentElement.dataset.scripted = "";
document.addEventListener("formdata", (event) => {
  for (const field of event.target.elements) {
    if (!field.dataset.date || !field.name || event.formData.getAll(field.name).length !== 1) continue;
    event.formData.set(field.name, iso(field));
  }
});

const keys = (at) => ({
  ArrowLeft: at - DAY * backwards,
  ArrowRight: at + DAY * backwards,
  ArrowUp: at - 7 * DAY,
  ArrowDown: at + 7 * DAY,
  Home: at - weekday(at) * DAY,
  End: at + (6 - weekday(at)) * DAY,
});
const byKey = (event, at) => {
  const months = { PageUp: -1, PageDown: 1 }[event.key];
  return months ? turned(at, event.shiftKey ? months * 12 : months) : keys(at)[event.key];
};

const drawn = (dialog, at, chosen) => {
  const [year, month, day] = parts(at);
  const first = at - (day - 1) * DAY;
  const shown = monthName.format(at);
  dialog.querySelector("[data-month]").textContent = inIran ? `${shown} ${own(year)}` : shown;
  const body = document.createElement("tbody");
  for (let row = first - weekday(first) * DAY; row < first + 31 * DAY && (row <= first || parts(row)[1] === month); row += 7 * DAY) {
    const week = body.insertRow();
    for (let one = row; one < row + 7 * DAY; one += DAY) {
      const cell = week.insertCell();
      const [, its, number] = parts(one);
      if (its !== month) continue;
      const button = document.createElement("button");
      button.type = "button";
      button.dataset.day = one;
      button.tabIndex = one === at ? 0 : -1;
      button.textContent = own(number);
      button.setAttribute("aria-label", inIran ? `${longDay.format(one)} ${own(number)} ${monthName.format(one)} ${own(year)}` : wholeDay.format(one));
      if (one === today()) button.setAttribute("aria-current", "date");
      if (one === chosen) cell.setAttribute("aria-selected", "true");
      cell.append(button);
    }
  }
  dialog.querySelector("tbody").replaceWith(body);
};

const placed = (dialog, field) => {
  if (innerWidth < 576) return; // in the middle, as dialogs are
  const [around, size] = [field.parentElement.getBoundingClientRect(), dialog.getBoundingClientRect()];
  const below = around.bottom + 6;
  dialog.style.margin = "0";
  const top = below + size.height < innerHeight ? below : Math.max(8, around.top - size.height - 6);
  const begin = dir === "rtl" ? around.right - size.width : around.left;
  const left = Math.max(8, Math.min(begin, innerWidth - size.width - 8));
  dialog.style.inset = `${top}px auto auto ${left}px`;
};

const open = (field) => {
  const typed = read(field.value);
  const timed = field.dataset.date === "moment";
  const dialog = document.querySelector("#date-picker").content.firstElementChild.cloneNode(true);
  const time = dialog.querySelector("[data-time]");
  let at = typed?.at ?? today();
  if (timed) time.value = own(typed?.time || "09:00");
  else dialog.querySelector(".date-time").remove();
  const heads = dialog.querySelector("thead").insertRow();
  for (let day = 0; day < 7; day += 1) {
    const head = document.createElement("th");
    head.scope = "col";
    const its = Date.UTC(2000, 0, 2 + beginsOn + day); // the second was a Sunday
    head.abbr = longDay.format(its);
    head.textContent = shortDay.format(its);
    heads.append(head);
  }
  const show = (next) => {
    if (next === undefined || !known(parts(next)[0])) return;
    at = next;
    drawn(dialog, at, typed?.at);
  };
  const focus = () => dialog.querySelector(`[data-day="${at}"]`).focus();
  const put = (text) => {
    field.value = text;
    for (const name of ["input", "change"]) field.dispatchEvent(new Event(name, { bubbles: true }));
    dialog.close();
  };
  const chosen = () => {
    const said = timed ? TIME.exec(western(time.value).trim()) : null;
    if (timed && !said) return time.focus();
    put(written(at, said ? `${two(said[1])}:${said[2]}` : ""));
  };
  dialog.addEventListener("click", (event) => {
    const turn = event.target.closest("[data-turn]");
    const day = event.target.closest("[data-day]");
    if (turn) show(turned(at, Number(turn.dataset.turn)));
    else if (day) { at = Number(day.dataset.day); chosen(); }
    else if (event.target.closest("[data-today]")) { show(today()); chosen(); }
    else if (event.target.closest("[data-none]")) put("");
    else if (event.target === dialog) dialog.close(); // beside it
  });
  dialog.addEventListener("keydown", (event) => {
    event.stopPropagation(); // what the page does with keys is not meant
    if (event.key === "Escape") {
      event.preventDefault();
      dialog.close();
    } else if (event.key === "Enter" && event.target === time) {
      event.preventDefault();
      chosen();
    } else if (event.target.dataset.day) {
      const next = byKey(event, at);
      if (next === undefined) return;
      event.preventDefault();
      show(next);
      focus();
    }
  });
  dialog.addEventListener("close", () => dialog.remove());
  field.after(dialog);
  show(at);
  dialog.showModal();
  placed(dialog, field);
  focus();
};

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-date-open]");
  if (button) open(button.parentElement.querySelector("[data-date]"));
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "ArrowDown" || !event.target.dataset?.date) return;
  event.preventDefault();
  open(event.target);
});
