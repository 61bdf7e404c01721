import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

export const KAFKA_VERSION = '4.1.0';

/**
 * The folder with Kafka's jars, fetched once by Maven into the user's cache.
 *
 * The folder appears by a rename when it is complete, so neither an interrupted fetch nor two at the same time leave half of one.
 */
export async function kafkaJars(): Promise<string> {
  const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'kafka-rx');
  const jars = join(cache, `kafka-${KAFKA_VERSION}`);
  if (existsSync(jars)) return jars;

  await mkdir(cache, { recursive: true });
  const work = await mkdtemp(join(cache, 'fetch-'));
  try {
    process.stderr.write(`Fetching Apache Kafka ${KAFKA_VERSION} by Maven, once, about 45 MB, into ${jars}\n`);
    const fetched = await fetchInto(work);
    await rename(fetched, jars).catch((cause: unknown) => {
      // Whoever was faster has fetched the same.
      if (!existsSync(jars)) throw cause;
    });
    return jars;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function fetchInto(work: string): Promise<string> {
  const jars = join(work, 'jars');
  await writeFile(join(work, 'pom.xml'), pom);
  try {
    await promisify(execFile)('mvn', ['-q', '-B', 'dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${jars}`], {
      cwd: work,
      maxBuffer: 64 << 20,
    });
  } catch (cause) {
    const { code, stdout = '', stderr = '' } = cause as NodeJS.ErrnoException & { stdout?: string; stderr?: string };
    if (code === 'ENOENT') throw new Error('no `mvn` on the PATH: install Maven, which fetches the Kafka broker once.', { cause });
    const said = `${stdout}${stderr}`.trim().split('\n').slice(-20).join('\n');
    throw new Error(`Maven could not fetch Apache Kafka ${KAFKA_VERSION}:\n${said}`, { cause });
  }
  if (!existsSync(join(jars, `kafka_2.13-${KAFKA_VERSION}.jar`))) throw new Error(`Maven ended well, but left no Kafka ${KAFKA_VERSION}.`);
  return jars;
}

// Kafka's own dependencies hold no log binding, and without one a broker that cannot start says nothing at all.
const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>kafka-rx</groupId><artifactId>broker</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${KAFKA_VERSION}</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.24.3</version></dependency>
  </dependencies>
</project>
`;
