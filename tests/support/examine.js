// What tests ask a page: it stands before any script of the page. Each question is answered with what is wrong.
window.tripped = []; // what a text did that has become a script
window.owned = () => window.tripped.push("a script of a stranger ran");
for (const name of ["alert", "confirm", "prompt", "print"]) window[name] = () => window.tripped.push(name);
document.addEventListener("securitypolicyviolation", (event) =>
  window.tripped.push(`the policy refused ${event.violatedDirective} ${event.blockedURI} ${event.sample}`));

window.examine = (() => {
  const LEADS = ["href", "src", "action", "formaction", "hx-get", "hx-post"];
  const SAYS = ["aria-label", "title", "placeholder", "alt", "value", "data-copy", "data-sure"];
  const SCROLLS = ".table-responsive, .tabs, pre, [data-scrolls]";
  const BOXES = ".btn, .tone, .badge, .nav-link, .card, td, th, dialog, .form-selectgroup-label, .dropdown-item";
  const UNSEEN = ".visually-hidden, .visually-hidden-focusable:not(:focus):not(:focus-within), [hidden]";
  const CONTROLS = "a[href], button, input:not([type=hidden]), select, textarea, summary";

  const every = (selector) => [...document.querySelectorAll(selector)];
  const some = (wrong) => [...new Set(wrong)].slice(0, 8);
  const seen = (one) => one.checkVisibility({ opacityProperty: true, visibilityProperty: true });
  const called = (one) => {
    const names = [...one.classList].map((name) => `.${name}`).join("");
    const words = one.innerText || one.getAttribute("aria-label") || one.name || "";
    return `${one.tagName.toLowerCase()}${names} “${words.trim().slice(0, 40).replace(/\s+/g, " ")}”`;
  };
  const texts = (one) => [...one.childNodes].filter((node) => node.nodeType === 3 && node.data.trim());
  const spot = (node) => {
    const range = document.createRange();
    range.selectNodeContents(node);
    return range.getBoundingClientRect();
  };

  // What strangers wrote is text: no element, no attribute, no address. Which of their texts can be read, by name.
  const strangers = () => {
    const grown = every("[data-owned], [onclick], [onerror], [onload], [srcdoc*=owned]");
    const leads = every(LEADS.map((name) => `[${name}]`).join()).filter((one) =>
      LEADS.some((name) => /^\s*(javascript|vbscript|data:text):/i.test(one.getAttribute(name) ?? "")));
    const said = every("*").flatMap((one) => SAYS.map((name) => one.getAttribute(name) ?? ""));
    const typed = every("input, textarea").map((one) => one.value);
    const words = [document.title, document.body.textContent, ...said, ...typed].join("\n");
    return {
      wrong: some([
        ...window.tripped,
        ...grown.map((one) => `became an element: ${one.outerHTML.slice(0, 120)}`),
        ...leads.map((one) => `leads to a script: ${one.outerHTML.slice(0, 120)}`),
        ...(every("h1").length > 1 ? ["more than one heading"] : []),
      ]),
      seen: [...new Set([...words.matchAll(/data-owned[=_]([a-z-]+)/g)].map((one) => one[1]))],
    };
  };

  // Wider than the window, where nothing scrolls by itself.
  const wide = (all) => {
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= width) return [];
    const out = ({ left, right }) => right > width + 1 || left < -1;
    return all.filter((one) => !one.closest(SCROLLS) && out(one.getBoundingClientRect()))
      .map((one) => `wider than the window: ${called(one)}`).slice(0, 5);
  };

  // Words that end where their box does, without a sign that there is more.
  const cut = (one) => {
    const style = getComputedStyle(one);
    if (one.clientWidth <= 1) return false; // for those who listen
    const clips = (value) => value === "hidden" || value === "clip";
    if (clips(style.overflowX) && style.textOverflow !== "ellipsis" && one.scrollWidth > one.clientWidth + 1) return true;
    return clips(style.overflowY) && style.webkitLineClamp === "none" && one.scrollHeight > one.clientHeight + 3;
  };

  // Words that stand out of what they are drawn on.
  const out = (one) => {
    const box = one.closest(BOXES);
    for (let each = one; box && each !== box; each = each.parentElement) if (getComputedStyle(each).overflowX !== "visible") return "";
    if (!box || getComputedStyle(one).textOverflow === "ellipsis" || getComputedStyle(box).overflowX !== "visible") return "";
    if (one.closest(SCROLLS) && !box.matches(".btn, .tone, .badge, td, th")) return "";
    const around = box.getBoundingClientRect();
    const far = texts(one).find((node) => {
      const { left, right, bottom, width } = spot(node);
      return width && (right > around.right + 1.5 || left < around.left - 1.5 || bottom > around.bottom + 4);
    });
    return far ? `“${far.data.trim().slice(0, 40)}” stands out of ${called(box)}` : "";
  };

  // A sign or a button that stands out of the card or the cell that it stands in.
  const apart = (one) => {
    const around = one.parentElement.closest(".card, td, th, dialog");
    if (!around || one.closest(SCROLLS) || getComputedStyle(around).overflowX !== "visible") return "";
    const [inner, outer] = [one.getBoundingClientRect(), around.getBoundingClientRect()];
    return inner.right > outer.right - 1 || inner.left < outer.left + 1 ? `${called(one)} stands out of ${called(around)}` : "";
  };

  // A button, a link or a field that cannot be clicked in its middle.
  const covered = (one) => {
    const box = one.getBoundingClientRect();
    const [x, y] = [box.left + box.width / 2, box.top + box.height / 2];
    if (!box.width || x < 0 || y < 0 || x >= innerWidth || y >= innerHeight || one.closest(SCROLLS)) return "";
    const there = document.elementFromPoint(x, y);
    if (!there || one.contains(there) || there.contains(one) || one.closest("dialog") !== there.closest("dialog")) return "";
    const label = there.closest("label");
    return label && (label.control === one || label === one.closest("label")) ? "" : `${called(there)} lies over ${called(one)}`;
  };

  // What people have named stands as they wrote it, not in capitals.
  const shouted = (one) => getComputedStyle(one).textTransform !== "none" && texts(one).some((node) => /data-owned/i.test(node.data));

  // What a browser draws by itself has its words and its hours in the language of the browser, not of the page.
  const foreign = (one) => /^(date|time|datetime-local|month|week)$/.test(one.type) || (one.type === "file" && seen(one));

  // A table that hides a column behind its edge: nobody looks for a bar to move there. In between, lists may.
  const hides = (one) => (innerWidth >= 1280 || innerWidth < 576) && one.querySelector("table:not(.heat)") && one.scrollWidth > one.clientWidth + 1;

  // Cards below one another stand apart as all others do. Steps of a cascade are a chain; between others may be words.
  const uneven = () => {
    const cards = every("main .card:not(.card .card, .step-card)").filter(seen).map((one) => [one, one.getBoundingClientRect()]);
    const below = (upper) => cards.filter(([, each]) => each.top > upper.bottom - 1 && each.left < upper.right && each.right > upper.left)
      .sort(([, one], [, other]) => one.top - other.top)[0];
    return cards.map(([one, box]) => [one, box, below(box)]).filter(([, , next]) => next)
      .map(([one, box, [next, { top }]]) => [one, next, Math.round(top - box.bottom)])
      .filter(([, , gap]) => gap < 40 && gap !== 16).map(([one, next, gap]) => `${gap} px between ${called(one)} and ${called(next)}`);
  };

  // Fields and rows below one another begin at the edge where the page does, whichever way their own words go.
  const left = () => document.documentElement.dir !== "rtl";
  const typedAskew = (one) => {
    const { textAlign, direction } = getComputedStyle(one);
    const begins = { left: true, right: false, start: direction === "ltr", end: direction === "rtl" }[textAlign];
    return begins !== undefined && begins !== left();
  };
  const saidAskew = (one) => {
    const { textAlign, lineHeight, overflowX } = getComputedStyle(one);
    const [words, row] = [spot(one), one.parentElement.getBoundingClientRect()];
    const { paddingLeft, paddingRight, display } = getComputedStyle(one.parentElement);
    if (textAlign === "center" || display !== "block" && display !== "table-cell" || one.closest(".end")) return false;
    if (words.height > parseFloat(lineHeight) * 1.5 || (overflowX === "hidden" && words.width >= one.clientWidth)) return false;
    return (left() ? words.left - row.left - parseFloat(paddingLeft) : row.right - parseFloat(paddingRight) - words.right) > 3;
  };

  const layout = () => {
    const all = every("body *").filter((one) => !one.closest(UNSEEN) && seen(one));
    const worded = all.filter((one) => texts(one).length && !one.closest("svg, select, textarea, iframe, [data-chart]"));
    return some([
      ...wide(all),
      ...worded.filter(cut).map((one) => `cut off: ${called(one)}`),
      ...worded.filter(shouted).map((one) => `a name in capitals: ${called(one)}`),
      ...every("input").filter((one) => !one.hidden && foreign(one)).map((one) => `in the browser's language: ${called(one)}`),
      ...all.filter((one) => one.matches(".table-responsive") && hides(one)).map((one) => `a column behind the edge: ${called(one)}`),
      ...worded.map(out).filter(Boolean),
      ...uneven(),
      ...every("main input:not([type=checkbox], [type=radio], [type=file])").filter((one) => seen(one) && typedAskew(one))
        .map((one) => `typed from the other side: ${called(one)}`),
      ...worded.filter((one) => one.matches("td > p, td > div, .list-group-item > p") && saidAskew(one))
        .map((one) => `begins elsewhere than its row: ${called(one)}`),
      ...all.filter((one) => one.matches(".tone, .badge, .btn:not(.w-100)")).map(apart).filter(Boolean),
      ...all.filter((one) => one.matches(CONTROLS)).map(covered).filter(Boolean),
    ]);
  };

  // Whoever goes from one to the next by Tab sees where they are, in the order of the page. One of each kind is tried.
  const focus = () => {
    const still = new CSSStyleSheet();
    still.replaceSync("*, ::before, ::after { transition: none !important; animation: none !important; }");
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, still];
    const marks = ["outlineStyle", "outlineWidth", "outlineColor", "boxShadow", "borderTopColor", "backgroundColor"];
    const drawn = (one) => [one, one.nextElementSibling, one.closest("label"), one.closest(".palette-field")]
      .filter(Boolean).map((each) => marks.map((name) => getComputedStyle(each)[name]).join(" ")).join(" | ");
    const kinds = new Map();
    for (const one of every(`${CONTROLS}, [tabindex]`)) {
      const kind = [one.tagName, one.type, one.className, one.parentElement.className].join(" ");
      const shown = one.type === "file" ? one.parentElement : one; // the field itself lies unseen over our words
      if (one.tabIndex >= 0 && !one.disabled && seen(shown) && !kinds.has(kind)) kinds.set(kind, one);
    }
    const unseen = [...kinds.values()].filter((one) => {
      const before = drawn(one);
      one.focus({ preventScroll: true, focusVisible: true });
      const same = document.activeElement === one && drawn(one) === before;
      one.blur();
      return same;
    });
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((one) => one !== still);
    const early = every("[tabindex]").filter((one) => one.tabIndex > 0);
    return some([...early.map((one) => `before its turn: ${called(one)}`), ...unseen.map((one) => `focused unseen: ${called(one)}`)]);
  };

  return { strangers, layout, focus };
})();
