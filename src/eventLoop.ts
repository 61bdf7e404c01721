/** For how long one thing may hold the event loop at a time, in milliseconds: others have timers and requests of their own. */
export const HOLD_MS = 5;
