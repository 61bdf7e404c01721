import { readRun } from '../runFolder.js';
import { line, verify } from '../verify.js';

/** Reads the folder of a run, says in one line what it found, and ends with 1 if anything is wrong. It has nothing of the library in it. */
const verdict = verify(readRun(process.argv[2] as string));
for (const complaint of verdict.broken) process.stderr.write(`${complaint}\n`);
process.stdout.write(`${line(verdict)}\n`);
process.exitCode = verdict.broken.length > 0 ? 1 : 0;
