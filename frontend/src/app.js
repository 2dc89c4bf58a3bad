// The console's scripts. Pages work as forms and links; these make them quick: parts of pages exchanged in place
// (htmx), menus and dialogs (Tabler), what changes elsewhere shown at once (live), keys, focus, order by dragging, charts.
import "htmx.org/dist/htmx.esm.js";
import "@tabler/core/dist/js/tabler.esm.min.js";
import "./live.js";
import "./keys.js";
import "./bell.js";
import "./focus.js";
import "./palette.js";
import "./confirm.js";
import "./copy.js";
import "./order.js";
import "./charts.js";
import "./pick.js";
import "./rows.js";
import "./tabs.js";
import "./sift.js";
import "./upload.js";
import "./editor.js";
import "./reads.js";
import "./toasts.js";
import "./kept.js";
import "./passkey.js";
import "./zone.js";
import "./dates.js";
import "./files.js";
