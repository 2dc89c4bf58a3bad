// A choice of time zones with data-own-zone begins with the zone of the machine.
import { each } from "./pages.js";

each("select[data-own-zone=yes]", (select) => {
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if ([...select.options].some((option) => option.value === own)) select.value = own;
});
