// What was done, said for a moment: toasts that the server wrote go after eight seconds, unless somebody is at them.
import { each } from "./pages.js";

const STAYS_MS = 8000;

each(".toast[data-passing]", (toast) => {
  const go = () => (toast.matches(":hover, :focus-within") ? setTimeout(go, STAYS_MS) : toast.remove());
  setTimeout(go, STAYS_MS);
});
