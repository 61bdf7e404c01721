import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

const OLDEST = 17;

/** The `java` of `JAVA_HOME`, or else of the PATH, once it has said that it is new enough for Kafka 4. */
export async function findJava(): Promise<string> {
  const home = process.env['JAVA_HOME'];
  const java = home ? join(home, 'bin', 'java') : 'java';
  const where = home ? `JAVA_HOME (${java})` : 'the PATH';
  let answer: string;
  try {
    answer = (await promisify(execFile)(java, ['-version'])).stderr;
  } catch (cause) {
    throw new Error(`no usable Java in ${where}: install a Java ${OLDEST} or newer, or point JAVA_HOME at one.`, { cause });
  }
  const version = /version "(\d+)/.exec(answer)?.[1];
  if (version === undefined || Number(version) < OLDEST) {
    throw new Error(`Java ${OLDEST} or newer is needed; ${where} has ${version ?? `one that says "${answer.trim()}"`}.`);
  }
  return java;
}
