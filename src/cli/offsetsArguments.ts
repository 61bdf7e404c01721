import { isOffset } from './checkpointLine.js';
import { UsageError, addresses, parsed } from '../commandLine.js';

const COMMANDS = {
  'list': { needs: [], takes: ['group', 'topic', 'partition', 'json'] },
  'show': { needs: ['group', 'topic', 'partition'], takes: ['json'] },
  'verify': { needs: [], takes: ['json'] },
  'export': { needs: [], takes: ['group', 'topic', 'partition'] },
  'reset': { needs: ['group', 'topic', 'to'], takes: ['partition', 'json'] },
  'skip': { needs: ['group', 'topic', 'partition', 'offset'], takes: ['json'] },
  'import': { needs: [], takes: ['json'] },
  'to-group': { needs: ['group', 'brokers'], takes: ['topic', 'json'] },
  'from-group': { needs: ['group', 'brokers'], takes: ['topic', 'json'] },
} as const satisfies Record<string, { needs: readonly Option[]; takes: readonly Option[] }>;

const OPTIONS = {
  group: { type: 'string' },
  topic: { type: 'string' },
  partition: { type: 'string' },
  to: { type: 'string' },
  offset: { type: 'string' },
  brokers: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

type Option = 'group' | 'topic' | 'partition' | 'to' | 'offset' | 'brokers' | 'json';
export type Command = keyof typeof COMMANDS;

/** A call of `kafka-rx offsets` that makes sense. */
export interface OffsetsCall {
  readonly command: Command;
  readonly directory: string;
  readonly group?: string;
  readonly topic?: string;
  readonly partition?: number;
  /** The offset of `--to` or `--offset`. */
  readonly offset?: number;
  readonly brokers?: readonly string[];
  readonly json: boolean;
}

/** @throws {UsageError} for a call that makes no sense. @returns `'help'` if that is all that was asked for. */
export function parseOffsetsCall(argv: readonly string[]): OffsetsCall | 'help' {
  const { values, positionals } = parsed(argv, { allowPositionals: true, options: OPTIONS });
  const [command, directory, ...rest] = positionals;
  if (values.help === true || command === undefined) return 'help';
  if (!isCommand(command)) throw new UsageError(`there is no command "${command}"; there are: ${Object.keys(COMMANDS).join(', ')}.`);
  if (directory === undefined) throw new UsageError(`${command}: which directory? It comes after the command.`);
  if (rest.length > 0) throw new UsageError(`${command}: "${rest[0] ?? ''}" is one word too many.`);
  const { needs, takes } = COMMANDS[command] as { needs: readonly string[]; takes: readonly string[] };
  for (const name of needs) if (values[name as Option] === undefined) throw new UsageError(`${command}: --${name} is missing.`);
  for (const name of Object.keys(values))
    if (name !== 'help' && ![...needs, ...takes].includes(name)) throw new UsageError(`${command} takes no --${name}.`);
  const offset = values.to ?? values.offset;
  return {
    command,
    directory,
    ...(values.group === undefined ? {} : { group: values.group }),
    ...(values.topic === undefined ? {} : { topic: values.topic }),
    ...(values.partition === undefined ? {} : { partition: numberOf(values.partition, 'partition') }),
    ...(offset === undefined ? {} : { offset: numberOf(offset, values.to === undefined ? 'offset' : 'to') }),
    ...(values.brokers === undefined ? {} : { brokers: addresses(values.brokers) }),
    json: values.json === true,
  };
}

function isCommand(word: string): word is Command {
  return Object.hasOwn(COMMANDS, word);
}

function numberOf(text: string, option: string): number {
  const number = /^\d+$/.test(text) ? Number(text) : NaN;
  if (!isOffset(number)) throw new UsageError(`--${option} takes a whole number from 0 up, not ${JSON.stringify(text)}.`);
  return number;
}
