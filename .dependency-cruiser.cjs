/** The direction of imports: index → sources, sinks, operators → kafka → words; offsets → words. */
const WORDS =
  '^src/(record|position|promiseLike|state|errors|events|logging|options|topicName|assertPositioned|drain|fifo|listen|codecs|failures|parts|turns|retries|processing|lock|localDirectory|cluster|eventLoop|latency|statsHub|sampling|sources/sourceStats|sinks/producerStats)\\.ts$';
const CLIENTS = '^src/(rdkafka|addon|noAddon|clientEvents|brokerErrors|connect)\\.ts$';
const KAFKA = '^src/(kafka|rdkafka|addon|noAddon|clientEvents|brokerErrors|connect)\\.ts$';
const ADMIN = '^src/admin/';
const STORE_PORT = '^src/offsets/store\\.ts$';
const OUR_CODE = '^src/';

/** What a room may import, beside itself and packages. */
const room = (name, from, mayImport) => ({
  name,
  severity: 'error',
  from: { path: from },
  to: { path: OUR_CODE, pathNot: [from, ...mayImport] },
});

/** The only files that know a package. */
const only = (name, packagePath, files) => ({
  name,
  severity: 'error',
  from: { path: OUR_CODE, pathNot: files },
  to: { path: `^node_modules/${packagePath}/` },
});

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    { name: 'no-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    room('words-know-words-only', WORDS, []),
    room('kafka-knows-its-administration-and-words', '^src/kafka\\.ts$', [ADMIN, CLIENTS, WORDS]),
    room('clients-know-words', CLIENTS, [WORDS]),
    room('administration-knows-clients-and-words', ADMIN, [CLIENTS, WORDS]),
    room('sources-know-kafka-words-and-the-store-port', '^src/sources/', [KAFKA, WORDS, STORE_PORT]),
    room('sinks-know-kafka-and-words', '^src/sinks/', [KAFKA, WORDS]),
    room('telemetry-knows-words-and-what-statistics-look-like', '^src/telemetry/', [WORDS, '^src/sources/sourceStats\\.ts$']),
    room('operators-know-words-and-the-store-port', '^src/operators/', [WORDS, STORE_PORT]),
    room('offsets-know-words', '^src/offsets/(?!group\\.ts$)', [WORDS, '^src/offsets/']),
    room('the-store-of-the-group-knows-kafka', '^src/offsets/group\\.ts$', [KAFKA, WORDS, STORE_PORT, '^src/offsets/forward\\.ts$']),
    room('the-statistics-are-served-by-kafka-and-words', '^src/serveStats\\.ts$', [KAFKA, WORDS]),
    room('the-command-line-uses-the-public-surface-and-reads-stores', '^src/cli/', [
      '^src/index\\.ts$',
      '^src/offsets/snapshot\\.ts$',
      '^src/demo/command\\.ts$',
      '^src/commandLine\\.ts$',
    ]),
    room('what-command-lines-share-uses-the-public-surface', '^src/commandLine\\.ts$', ['^src/index\\.ts$']),
    room('the-demo-uses-the-public-surface', '^src/demo/', ['^src/index\\.ts$', '^src/testing/index\\.ts$', '^src/commandLine\\.ts$']),
    only('who-knows-node-rdkafka', 'node-rdkafka', [
      '^src/(rdkafka|addon)\\.ts$',
      '^src/sources/(consumer|fetcher|reader)\\.ts$',
      '^src/sinks/(producer|connectProducer|chooseTransport|plainTransport|transactionalProducer)\\.ts$',
      '^src/admin/(idleConsumer|topicClient|topicAdmin)\\.ts$',
      '^src/testing/embedded\\.ts$',
    ]),
    only('who-knows-lmdb', 'lmdb', ['^src/offsets/environment\\.ts$']),
    {
      name: 'operators-stand-alone',
      comment: 'One operator per file, and none is built on another.',
      severity: 'error',
      from: { path: '^src/operators/([^/]+)\\.ts$' },
      to: { path: '^src/operators/', pathNot: '^src/operators/$1\\.ts$' },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'types', 'default'] },
  },
};
