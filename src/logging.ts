import type { Observable } from 'rxjs';
import { OptionError } from './errors.js';
import type { KafkaEvent } from './events.js';
import type { Position, StaleState } from './position.js';
import { nameOf } from './position.js';

/**
 * Where lines of log go: a pino, a console, or anything else that takes a context and then a message.
 *
 * A winston takes them the other way round, and gets `{ debug: (context, message) => winston.debug(message, context), … }`.
 */
export interface Logger {
  debug(context: object, message: string): void;
  info(context: object, message: string): void;
  warn(context: object, message: string): void;
  error(context: object, message: string): void;
}

const LEVELS = ['debug', 'info', 'warn', 'error'] as const;

type Level = (typeof LEVELS)[number];

/** What is logged of an event: plain values in the context, and an error as `err`, where loggers look for it. */
interface Line {
  readonly level: Level;
  readonly context: object;
  readonly message: string;
}

/**
 * Logs events for as long as there are any, after a first line that says with what settings.
 *
 * @throws {OptionError} for a logger that lacks a level, or cannot log that first line.
 */
export function logTo(logger: Logger, events$: Observable<KafkaEvent>, settings: object): void {
  for (const level of LEVELS) {
    if (typeof logger[level] !== 'function') {
      throw new OptionError(
        `new Kafka: \`logger\` has no function \`${level}\`: it needs ${LEVELS.map((name) => `\`${name}\``).join(', ')}.`,
      );
    }
  }
  try {
    logger.debug({ type: 'opened', ...settings }, 'kafka-rx logs here');
  } catch (cause) {
    throw new OptionError(
      'new Kafka: `logger` failed to log its first line, see `cause`: its functions take a context and a message, and do not throw.',
      { cause },
    );
  }
  void events$.forEach((event) => {
    const { level, context, message } = lineOf(event);
    try {
      logger[level](context, message);
    } catch {
      // A logger that fails has nowhere to say so, and is no reason to stop.
    }
  });
}

function lineOf(event: KafkaEvent): Line {
  const { type } = event;
  switch (type) {
    case 'error': {
      const { client, error } = event;
      return { level: 'error', context: { type, client, err: error }, message: error.message };
    }
    case 'failed': {
      const { name, error } = event;
      return { level: 'error', context: { type, name, err: error }, message: `a source of ${name} has failed: ${error.message}` };
    }
    case 'log': {
      const { level, client, message } = event;
      return { level, context: { type, client }, message };
    }
    case 'assigned': {
      const { group, partitions } = event;
      return {
        level: 'info',
        context: { type, group, partitions: partitions.map(positionText) },
        message: `${group} was assigned partitions`,
      };
    }
    case 'seek': {
      const { group, partitions } = event;
      return { level: 'info', context: { type, group, partitions: partitions.map(positionText) }, message: `${group} goes on elsewhere` };
    }
    case 'revoked':
    case 'lost': {
      const { group, partitions, unfinished } = event;
      const context = { type, group, partitions: partitions.map(nameOf), unfinished };
      return type === 'lost'
        ? { level: 'warn', context, message: `${group} has lost partitions` }
        : { level: 'info', context, message: `${group} has given up partitions` };
    }
    case 'late': {
      const { group, partitions, completions } = event;
      const context = { type, group, partitions: partitions.map(nameOf), completions };
      return { level: 'warn', context, message: `${group} has finished records too late: they come again` };
    }
    case 'gap': {
      const { group, topic, partition, from, to } = event;
      return {
        level: 'warn',
        context: { type, group, topic, partition, from, to },
        message: `records of ${topic} were gone before they were read`,
      };
    }
    case 'stale': {
      const { group, partitions } = event;
      return {
        level: 'warn',
        context: { type, group, partitions: partitions.map(staleText) },
        message: `others have worked on partitions of ${group}`,
      };
    }
    case 'stats': {
      const { client, stats } = event;
      return { level: 'debug', context: { ...figuresOf(stats), type, client }, message: 'statistics' };
    }
    case 'throttle': {
      const { client, broker, throttleMs } = event;
      return { level: 'warn', context: { type, client, broker, throttleMs }, message: 'a broker slows this client down' };
    }
    case 'notice':
      return { level: 'info', context: { type }, message: event.message };
  }
}

function positionText(position: Position): string {
  return `${nameOf(position)} from ${position.offset}`;
}

function staleText({ local, committed, ...partition }: StaleState): string {
  return `${nameOf(partition)}: ${local ?? 'nothing'} here, ${committed} in the group`;
}

/** Those that stand by themselves: brokers and topics would be a tree of hundreds. */
function figuresOf(stats: unknown): object {
  return Object.fromEntries(Object.entries(stats ?? {}).filter(([, value]) => typeof value !== 'object'));
}
