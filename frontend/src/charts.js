// <figure data-chart='{"x":[seconds…],"series":[{"label":…,"values":[…],"tone":"good"}],"kind":"line|bars"}'>: drawn by
// uPlot in the colours of the theme. What a chart shows stands in a table as well, for whoever cannot see it.
import uPlot from "uplot";
import { each } from "./pages.js";

const HEIGHT = 220;
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--tone-${name}`).trim() || "#888";

const DAY_S = 86_400;
const HOUR_S = 3_600;
// Steps of times that people count in; none finer than what is told.
const ROUND = [60, 300, 900, 1_800, ...[1, 2, 3, 6, 12].map((hours) => hours * HOUR_S), ...[1, 2, 7, 14, 28, 91, 182, 364].map((days) => days * DAY_S)];
const WHOLE = [1, 2, 5].flatMap((first) => Array.from({ length: 13 }, (_, tens) => first * 10 ** tens)).sort((one, other) => one - other);

// What is counted has no halves on its axis; what is measured has as many digits as its steps need.
const digits = (step) => String(step).split(".")[1]?.length ?? 0;

// Times as the page says them: in its language, its calendar and its zone.
const clock = (language, how) => {
  const zone = { timeZone: document.body.dataset.zone || "UTC" };
  try {
    return new Intl.DateTimeFormat(language, { ...how, ...zone });
  } catch {
    return new Intl.DateTimeFormat(language, how);
  }
};

const options = (told, width) => {
  const ink = getComputedStyle(document.body).color;
  const language = document.documentElement.lang;
  const number = new Intl.NumberFormat(language, { maximumFractionDigits: 1 });
  const axis = { stroke: ink, grid: { stroke: colour("grid"), width: 1 }, ticks: { show: false }, font: "12px Inter Variable, Vazirmatn Variable, sans-serif" };
  const day = clock(language, { day: "numeric", month: "short" });
  const hour = clock(language, { hour: "2-digit", minute: "2-digit", hour12: false });
  const whole = clock(language, { dateStyle: "medium" });
  const moment = clock(language, { dateStyle: "medium", timeStyle: "short", hour12: false });
  const step = told.x.length > 1 ? Math.min(...told.x.slice(1).map((second, at) => second - told.x[at])) : DAY_S;
  // A canvas is drawn from left to right: a date of a language that is not has its day before its month only by itself.
  const own = (text) => (document.documentElement.dir === "rtl" ? `\u2067${text}\u2069` : text);
  const at = (second, apart, coarse, fine) => own((apart < DAY_S ? fine : coarse).format(second * 1000));
  const bars = told.kind === "bars" ? { paths: uPlot.paths.bars({ size: [0.6, 60] }), points: { show: false } } : {};
  return {
    width,
    height: HEIGHT,
    legend: { live: true },
    tzDate: (second) => uPlot.tzDate(new Date(second * 1000), document.body.dataset.zone || "UTC"),
    scales: { x: { time: told.time !== false }, y: { range: (_, least, most) => [Math.min(0, least), most > 0 ? most * 1.05 : 1] } },
    axes: [
      { ...axis, space: 70, ...(told.time === false ? {} : { incrs: ROUND.filter((one) => one >= step) }), values: (_, ticks, __, ___, apart) => ticks.map((tick) => (told.time === false ? number.format(tick) : at(tick, apart, day, hour))) },
      {
        ...axis,
        size: 60,
        ...(told.series.every((one) => one.values.every((value) => Number.isInteger(value ?? 0))) ? { incrs: WHOLE } : {}),
        values: (_, ticks, __, ___, apart) => {
          const fine = new Intl.NumberFormat(language, { maximumFractionDigits: digits(apart) });
          return ticks.map((tick) => fine.format(tick));
        },
      },
    ],
    series: [
      { label: told.by ?? "", value: (_, second) => (second == null ? "–" : told.time === false ? number.format(second) : at(second, step, whole, moment)) },
      ...told.series.map((one) => ({
        label: one.label,
        stroke: colour(one.tone ?? "on"),
        fill: told.kind === "bars" ? colour(one.tone ?? "on") : undefined,
        width: 2,
        value: (_, value) => (value == null ? "–" : number.format(value)),
        ...bars,
      })),
    ],
  };
};

each("[data-chart]", (place) => {
  let chart;
  const draw = () => {
    const told = { by: place.dataset.by, ...JSON.parse(place.dataset.chart) };
    if (!told.x.length || place.clientWidth === 0) return;
    chart?.destroy();
    chart = new uPlot(options(told, place.clientWidth), [told.x, ...told.series.map((one) => one.values)], place);
  };
  new ResizeObserver(() => (chart ? chart.setSize({ width: place.clientWidth, height: HEIGHT }) : draw())).observe(place);
  new MutationObserver(draw).observe(place, { attributes: true, attributeFilter: ["data-chart"] });
  // A part of the page that was exchanged came without what was drawn in it.
  new MutationObserver(() => place.querySelector(".uplot") ?? draw()).observe(place, { childList: true });
  new MutationObserver(draw).observe(document.documentElement, { attributes: true, attributeFilter: ["data-bs-theme"] });
});
