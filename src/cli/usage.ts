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
  kafka-rx top <socket>             shows how a running pipeline stands, live

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

export const TOP_USAGE = `Shows how a running pipeline stands, live: its partitions, lag, open records, rates and commit latency.

  kafka-rx top <socket> [--json] [--count n]

The pipeline opts in with  await serveStats(kafka, './billing.sock');  then: kafka-rx top ./billing.sock
On a terminal it is a table, those with the most lag first; elsewhere each sample is a line, and one for each partition. Ctrl-C ends it.

  --json     each sample as JSON, on a line
  --count n  ends after n samples

  lag        from what the store has as finished to the end of the log    unread   from what was emitted to the end of the log
  open       emitted and not finished                                     oldest   for how long the oldest of these has been open
  free       how many records may be emitted now                          runs     finished stretches beyond the first unfinished record
  commit     how long a write to the store takes, the mean and the longest since the sample before

Exit code: 0 the pipeline has ended, or n samples were shown, 1 nobody serves statistics there, 2 the call makes no sense, 130 Ctrl-C.
`;
