/** How the values reach `commit()`, and when it writes. All of them keep the same promises. */
export const MANNERS = ['passed', 'durable', 'now and then', 'arrays'] as const;

/** Mistakes in a pipeline that the verifier has to find. */
export const PLANTED = [
  'commit before the work',
  'ordered after a reordering',
  'state in a transaction of its own',
  'state on emission',
  'a record that is skipped',
] as const;

/** The table in which a pipeline keeps what it has folded of each key. */
export const FOLDS = 'folds';
