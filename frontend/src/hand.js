// Whether somebody is about to press something in a part of the page: what is under the hand may not become another
// thing meanwhile. A pointer that moves over the part aims; one that is down will be up soon, and what it was put down on
// must still be there. Nobody aims for ever: a part is not held for longer than that.
export const STILL_MS = 500; // a pointer that has not moved for so long aims at nothing
const AIMS_MAX_MS = 5_000;
let over = null; // what the pointer is over
let down = false;
let movedAt = -Infinity, beganAt = -Infinity; // to aim, or to press

// Whether it is down says each of its events: of a button that was let go over a menu of the browser there is none.
const moved = ({ target, buttons }) => {
  const now = performance.now();
  if (now - movedAt > STILL_MS || (buttons && !down)) beganAt = now;
  movedAt = now;
  over = target;
  down = buttons > 0;
};
for (const name of ["pointermove", "pointerdown", "pointerup", "pointercancel"])
  addEventListener(name, moved, { capture: true, passive: true });

export const underHand = (part) => {
  const now = performance.now();
  if (now - beganAt >= AIMS_MAX_MS) return false;
  return down || (now - movedAt < STILL_MS && part.contains(over));
};
