/** What the codes of errors mean that a read meets. */
export const FATAL = -150;
export const MAX_POLL_EXCEEDED = -147;
/** The position is not in the log. */
export const AUTO_OFFSET_RESET = -140;
/** Of a group that a client only has a name of: it matters to nobody who did not join it. */
export const GROUP_AUTHORIZATION_FAILED = 30;
/** Errors that the client mends by itself: timed out, all brokers down, resolve, transport; and a broker's own passing ones. */
export const PASSING: ReadonlySet<number> = new Set([-185, -187, -193, -195, 5, 6, 7, 8, 9, 13, 14, 15, 16, 19, 20]);
