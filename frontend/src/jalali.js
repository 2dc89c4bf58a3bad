// In Persian a date is written, or chosen, in the calendar of Iran; what a form sends is the date as machines write
// it. The server reads both (core/days.py), so a page works without this. The months are those of Unicode (Intl).
const DAY = 86_400_000;
const told = (locale, options) => new Intl.DateTimeFormat(`${locale}-u-ca-persian`, { ...options, timeZone: "UTC" });
const numbers = told("en", { year: "numeric", month: "numeric", day: "numeric" });
const monthName = told("fa", { month: "long" });
const [longDay, shortDay] = [told("fa", { weekday: "long" }), told("fa", { weekday: "narrow" })];
const persian = (text) => String(text).replace(/\d/g, (digit) => "۰۱۲۳۴۵۶۷۸۹"[digit]);
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
const TIME = /^([01]?\d|2[0-3]):([0-5]\d)$/;
const WRITTEN = /^(\d{4})[/.-](\d{1,2})[/.-](\d{1,2})(?:(?:\s*[T،,]\s*|\s+)(\d{1,2}:\d{2}))?$/;
const read = (text) => {
  const found = WRITTEN.exec(western(text).trim());
  if (!found) return null;
  const [year, month, day] = found.slice(1, 4).map(Number);
  const at = year >= 1200 && year < 1600 ? from(year, month, day) : gregorian(year, month, day);
  const time = found[4] ? TIME.exec(found[4]) : null;
  return at === null || (found[4] && !time) ? null : { at, time: time ? `${two(time[1])}:${time[2]}` : "" };
};
const iso = (field) => {
  const found = read(field.value);
  if (!found || (field.dataset.jalali === "day" && found.time)) return field.value;
  return new Date(found.at).toISOString().slice(0, 10) + (field.dataset.jalali === "moment" ? `T${found.time || "00:00"}` : "");
};
const written = (at, time) => {
  const [year, month, day] = jalali(at);
  return persian(`${year}/${two(month)}/${two(day)}${time ? ` ${time}` : ""}`);
};
const today = () => {
  const now = new Date();
  return Date.UTC(now.getFullYear(), now.getMonth(), now.getDate());
};
// The same day of another month, or the last of one that is shorter.
const turned = (at, months) => {
  const [year, month, day] = jalali(at);
  const there = year * 12 + month - 1 + months;
  const [y, m] = [Math.floor(there / 12), (there % 12) + 1];
  return from(y, m, day) ?? from(y, m, 30) ?? from(y, m, 29);
};
const weekday = (at) => (new Date(at).getUTCDay() + 1) % 7; // the week begins on Saturday

document.documentElement.dataset.scripted = "";
document.addEventListener("formdata", (event) => {
  for (const field of event.target.elements) {
    if (!field.dataset.jalali || !field.name || event.formData.getAll(field.name).length !== 1) continue;
    event.formData.set(field.name, iso(field));
  }
});

const keys = (at) => ({
  ArrowLeft: at + DAY,
  ArrowRight: at - DAY,
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
  const [year, month, day] = jalali(at);
  const first = at - (day - 1) * DAY;
  dialog.querySelector("[data-month]").textContent = `${monthName.format(at)} ${persian(year)}`;
  const body = document.createElement("tbody");
  for (let row = first - weekday(first) * DAY; row < first + 31 * DAY && (row <= first || jalali(row)[1] === month); row += 7 * DAY) {
    const week = body.insertRow();
    for (let one = row; one < row + 7 * DAY; one += DAY) {
      const cell = week.insertCell();
      const [, its, number] = jalali(one);
      if (its !== month) continue;
      const button = document.createElement("button");
      button.type = "button";
      button.dataset.day = one;
      button.tabIndex = one === at ? 0 : -1;
      button.textContent = persian(number);
      button.setAttribute("aria-label", `${longDay.format(one)} ${persian(number)} ${monthName.format(one)} ${persian(year)}`);
      if (one === today()) button.setAttribute("aria-current", "date");
      if (one === chosen) cell.setAttribute("aria-selected", "true");
      cell.append(button);
    }
  }
  dialog.querySelector("tbody").replaceWith(body);
};

const placed = (dialog, field) => {
  if (innerWidth < 576) return; // in the middle, as dialogs are
  const [around, own] = [field.parentElement.getBoundingClientRect(), dialog.getBoundingClientRect()];
  const below = around.bottom + 6;
  dialog.style.margin = "0";
  const top = below + own.height < innerHeight ? below : Math.max(8, around.top - own.height - 6);
  const left = Math.max(8, Math.min(around.right - own.width, innerWidth - own.width - 8));
  dialog.style.inset = `${top}px auto auto ${left}px`;
};

const open = (field) => {
  const known = read(field.value);
  const timed = field.dataset.jalali === "moment";
  const dialog = document.querySelector("#jalali-picker").content.firstElementChild.cloneNode(true);
  const time = dialog.querySelector("[data-time]");
  let at = known?.at ?? today();
  if (timed) time.value = persian(known?.time || "09:00");
  else dialog.querySelector(".jalali-time").remove();
  for (let day = 0; day < 7; day += 1) {
    const head = document.createElement("th");
    head.scope = "col";
    head.abbr = longDay.format(Date.UTC(2000, 0, 1) + day * DAY); // a Saturday
    head.textContent = shortDay.format(Date.UTC(2000, 0, 1) + day * DAY);
    dialog.querySelector("thead tr").append(head);
  }
  const show = (next) => {
    if (next === null || !(jalali(next)[0] >= 1200 && jalali(next)[0] < 1600)) return;
    at = next;
    drawn(dialog, at, known?.at);
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
  const button = event.target.closest?.("[data-jalali-open]");
  if (button) open(button.parentElement.querySelector("[data-jalali]"));
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "ArrowDown" || !event.target.dataset?.jalali) return;
  event.preventDefault();
  open(event.target);
});
