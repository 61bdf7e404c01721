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
  kafka-rx offsets to-group   <directory> --group g --brokers host:port[,host:port] [--topic t] [--json]
      commits each frontier to the Kafka group of that name, back as well, as after a reset; the group must have no members
      what is finished beyond a frontier is not taken along: others get it again, and it says how many records that are
  kafka-rx offsets from-group <directory> --group g --brokers host:port[,host:port] [--topic t] [--json]
      remembers what the Kafka group has committed, all or nothing; the store is made if it is not there
      where the store is as far or further it stays as it is, and says so: only reset goes back
      where the group is further, others have worked since: what was finished beyond the frontier is forgotten

list, show, verify, export and to-group read while the store's owner runs. reset, skip, import and from-group need it to be
stopped, and say so. to-group and from-group reach the cluster without TLS and without a password; where it takes neither, do the
same with kafka.admin.

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
