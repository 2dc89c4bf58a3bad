// The tab of the page that is open is in sight, also where not all of them fit.
import { each } from "./pages.js";

each(".tabs [aria-current]", (tab) => tab.scrollIntoView({ block: "nearest", inline: "center" }));
