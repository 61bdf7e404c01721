import { addon } from '../../src/addon.js';

/** Through the addon and without it; only without, where it was not built. */
export const ways = 'addon' in addon() ? (['native', 'plain'] as const) : (['plain'] as const);
