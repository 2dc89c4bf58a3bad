// Whether somebody is about to press something in a part of the page: what is under the hand may not become another
// thing meanwhile. A pointer that moves over the part aims; one that is down will be up soon, and what it was put down on
// must still be there. Nobody aims for ever: a part is not held for longer than that.
export const STILL_MS = 500; // a pointer that has not moved for so long aims at nothing
const AIMS_MAX_MS = 5_000;
let over = null; // what the pointer is over
let movedAt = -Infinity, beganAt = -Infinity;
let down = false;

const moved = ({ target }) => {
  const now = performance.now();
  if (now - movedAt > STILL_MS) beganAt = now;
  movedAt = now;
  over = target;
};
const released = (event) => {
  down = false;
  moved(event); // the click comes after it
};

addEventListener("pointermove", moved, { capture: true, passive: true });
addEventListener("pointerdown", (event) => { moved(event); down = true; }, { capture: true, passive: true });
addEventListener("pointerup", released, { capture: true, passive: true });
addEventListener("pointercancel", released, { capture: true, passive: true });
addEventListener("blur", () => { down = false; }); // it may go up over another window

export const underHand = (part) => {
  const now = performance.now();
  if (down) return now - movedAt < AIMS_MAX_MS;
  return now - movedAt < STILL_MS && now - beganAt < AIMS_MAX_MS && part.contains(over);
};
