// Measures the pages in the frames of this one: what is wider than its frame, and which text is too faint.

const found = { frames: 0, texts: 0, dark: matchMedia("(prefers-color-scheme: dark)").matches, cut_off: [], faint: [] };

function channels(colour) {
  const numbers = colour.match(/[\d.]+(?:e-?\d+)?/g).map(Number);
  const whole = colour.startsWith("color(") ? numbers.slice(0, 3) : numbers.slice(0, 3).map((n) => n / 255);
  return { rgb: whole, alpha: numbers.length > 3 ? numbers[3] : 1 };
}

function background(element) {
  for (let one = element; one; one = one.parentElement) {
    const found = channels(getComputedStyle(one).backgroundColor);
    if (found.alpha > 0.99) return found.rgb;
  }
  return [1, 1, 1];
}

function luminance(rgb) {  // WCAG 2.2, "relative luminance"
  const [r, g, b] = rgb.map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(element) {
  const ours = luminance(channels(getComputedStyle(element).color).rgb);
  const behind = luminance(background(element));
  return (Math.max(ours, behind) + 0.05) / (Math.min(ours, behind) + 0.05);
}

function measure(frame) {
  const page = frame.contentDocument;
  const where = `${frame.width} px ${page.location.pathname}`;
  found.frames += 1;
  if (page.documentElement.scrollWidth > frame.clientWidth) {
    const wide = [...page.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > frame.clientWidth + 1);
    found.cut_off.push(`${where}: ${wide.slice(0, 4).map((e) => `${e.tagName}.${e.className}`).join(" ")}`);
  }
  for (const element of page.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((n) => n.nodeType === Node.TEXT_NODE && n.textContent.trim());
    if (!own || !element.checkVisibility()) continue;
    found.texts += 1;
    const ratio = contrast(element);
    if (ratio < CONTRAST_MIN) found.faint.push(`${where}: ${element.className || element.tagName} ${ratio.toFixed(2)}`);
  }
}

addEventListener("load", () => {
  document.querySelectorAll("iframe").forEach(measure);
  found.faint = [...new Set(found.faint)];
  const said = document.createElement("pre");
  said.textContent = "measured:" + JSON.stringify(found);
  document.body.replaceChildren(said);
});
