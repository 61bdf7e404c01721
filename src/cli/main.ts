#!/usr/bin/env node
/** `kafka-rx` on the command line. */
import { createRequire } from 'node:module';
import { KafkaRxError } from '../index.js';
import { offsets } from './offsets.js';
import { top } from './top.js';
import { UsageError } from '../commandLine.js';
import { USAGE } from './usage.js';

process.exitCode = await main(process.argv.slice(2));

async function main([command, ...argv]: readonly string[]): Promise<number> {
  // That nobody reads any more, as after `| head`, is no fault.
  process.stdout.on('error', () => undefined);
  try {
    switch (command) {
      case undefined:
      case '--help':
      case '-h':
        process.stdout.write(USAGE);
        return 0;
      case '--version':
        process.stdout.write(`${version()}\n`);
        return 0;
      case 'demo':
        return await (await import('../demo/command.js')).demoCommand(argv);
      case 'offsets': {
        const { text, well, complaint } = await offsets(argv);
        process.stdout.write(text);
        if (complaint !== undefined) process.stderr.write(`${complaint}\n`);
        return well ? 0 : 1;
      }
      case 'top':
        return await top(argv);
      default:
        throw new UsageError(`there is no command "${command}"; there are: demo, offsets, top.`);
    }
  } catch (error) {
    if (error instanceof UsageError) {
      process.stderr.write(`${error.message}\nTry --help.\n`);
      return 2;
    }
    if (!(error instanceof KafkaRxError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 1;
  }
}

function version(): string {
  return (createRequire(import.meta.url)('kafka-rx/package.json') as { version: string }).version;
}
