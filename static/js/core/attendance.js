// Whether somebody uses the page. What it loads by itself meanwhile keeps no session alive.

const ATTENDED_MS = 60_000;

/** In the milliseconds of `performance.now()`. */
let lastInputAt = performance.now();

/** Notice from now on when somebody uses the page. */
export function installAttendance() {
  for (const type of ['pointerdown', 'pointermove', 'wheel', 'keydown', 'focus']) {
    addEventListener(type, () => (lastInputAt = performance.now()), { capture: true, passive: true });
  }
}

/** Return the header of a request that nobody has caused; none if somebody has used the page in the last minute. */
export const unattendedHeader = () =>
  performance.now() - lastInputAt < ATTENDED_MS ? undefined : { 'X-Unattended': 'true' };
