// <figure data-chart='{"x":[seconds…],"series":[{"label":…,"values":[…],"tone":"good"}],"kind":"line|bars"}'>: drawn by
// uPlot in the colours of the theme. What a chart shows stands in a table as well, for whoever cannot see it.
import uPlot from "uplot";
import { each } from "./pages.js";

const HEIGHT = 220;
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--tone-${name}`).trim() || "#888";

const options = (told, width) => {
  const ink = getComputedStyle(document.body).color;
  const language = document.documentElement.lang;
  const number = new Intl.NumberFormat(language, { maximumFractionDigits: 1 });
  const axis = { stroke: ink, grid: { stroke: colour("grid"), width: 1 }, ticks: { show: false }, font: "12px Inter, Vazirmatn, sans-serif" };
  const bars = told.kind === "bars" ? { paths: uPlot.paths.bars({ size: [0.6, 60] }), points: { show: false } } : {};
  return {
    width,
    height: HEIGHT,
    legend: { live: true },
    scales: { x: { time: told.time !== false } },
    axes: [axis, { ...axis, size: 60, values: (_, ticks) => ticks.map((tick) => number.format(tick)) }],
    series: [
      {},
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
    const told = JSON.parse(place.dataset.chart);
    if (!told.x.length || place.clientWidth === 0) return;
    chart?.destroy();
    chart = new uPlot(options(told, place.clientWidth), [told.x, ...told.series.map((one) => one.values)], place);
  };
  new ResizeObserver(() => (chart ? chart.setSize({ width: place.clientWidth, height: HEIGHT }) : draw())).observe(place);
  new MutationObserver(draw).observe(place, { attributes: true, attributeFilter: ["data-chart"] });
  new MutationObserver(draw).observe(document.documentElement, { attributes: true, attributeFilter: ["data-bs-theme"] });
});
