/** It was called in a way that makes no sense. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UsageError';
  }
}

export const USAGE = `kafka-rx: Kafka topics are Observables.

  kafka-rx demo                     kills a worker with SIGKILL in mid-flight, and counts: nothing is lost
  kafka-rx offsets <command> …      looks into an offset store, and changes it

  --help, --version
`;

export const OFFSETS_USAGE = `Looks into an offset store, and changes it.

  kafka-rx offsets list   <directory> [--group g] [--topic t] [--partition p] [--json]
      what is remembered, a line for each partition
  kafka-rx offsets show   <directory> --group g --topic t --partition p [--json]
      what is remembered of one partition, with all runs of finished records
  kafka-rx offsets verify <directory> [--json]
      looks at every page and every checksum, of the state too
  kafka-rx offsets export <directory> [--group g] [--topic t] [--partition p]
      as JSON, a line for each partition
  kafka-rx offsets reset  <directory> --group g --topic t [--partition p] --to offset [--json]
      forgets what was finished: reading goes on at this offset, in one partition or in all that are remembered
  kafka-rx offsets skip   <directory> --group g --topic t --partition p --offset n [--json]
      takes the record at this offset for finished: it never comes again
  kafka-rx offsets import <directory> [--json] < lines
      remembers what export has written, all of a group or nothing; the store is made if it is not there

list, show, verify and export read while the store's owner runs. reset, skip and import need it to be stopped, and say so.

Exit code: 0 done, 1 it could not be done or the store is damaged, 2 the call makes no sense.
`;
