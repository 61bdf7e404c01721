import type { Observable } from 'rxjs';
import { Subject } from 'rxjs';
import type { Admin } from './admin/admin.js';
import { Calls } from './admin/calls.js';
import { groupAdmin } from './admin/groupAdmin.js';
import { topicAdmin } from './admin/topicAdmin.js';
import type { Properties } from './cluster.js';
import { ClosedError, OptionError } from './errors.js';
import type { KafkaEvent } from './events.js';
import type { Logger } from './logging.js';
import { logTo } from './logging.js';
import { checkOptions, timerMs } from './options.js';
import { rdkafka } from './rdkafka.js';
import type { ProducerStats } from './sinks/producerStats.js';
import type { SourceStats } from './sources/sourceStats.js';
import { StatsHub } from './statsHub.js';

export type { Properties } from './cluster.js';
export type { Logger } from './logging.js';

/** A TLS identity and whom to trust. PEM text or files' contents. */
export interface SslOptions {
  /** Certificates of the authorities to trust. Default: those of the system. */
  readonly ca?: string | Buffer;
  readonly certificate?: string | Buffer;
  readonly key?: string | Buffer;
  readonly keyPassword?: string;
}

/** How to log in. */
export interface SaslOptions {
  readonly mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512';
  readonly username: string;
  readonly password: string;
}

export interface KafkaOptions {
  /** Where to look for the cluster first, as `host:port`. One that answers is enough. */
  readonly brokers: readonly string[];
  /** The name that brokers see in their logs and quotas. Default `'kafka-rx'`. */
  readonly clientId?: string;
  /** TLS. Default `false`: without it everything, passwords too, travels in the clear. */
  readonly ssl?: boolean | SslOptions;
  /** Log in with this. Default: anonymous. */
  readonly sasl?: SaslOptions;
  /** How long a client may take to reach its first broker before its stream errors. Default 15,000 ms. Too short, and a slow TLS handshake fails. */
  readonly connectTimeoutMs?: number;
  /** More settings for every client, under librdkafka's names. */
  readonly properties?: Properties;
  /** More topic settings for every client, under librdkafka's names. They have to stand here: the client ignores them among `properties`. */
  readonly topicProperties?: Properties;
  /**
   * Gets a line for every event of `events$`: `error` for what went wrong, `warn` for partitions or records that were lost, came late or are out of
   * date and for brokers that slow down, `info` for rebalances, `debug` for statistics. Contexts are flat, and an error is their `err`. Default: none.
   */
  readonly logger?: Logger;
}

/** Something that was opened through a `Kafka` and has to be closed with it. */
export interface Client {
  /** Sources end first: what they have in flight still goes through the sinks. */
  readonly kind: 'source' | 'sink';
  readonly stats$?: Observable<SourceStats>;
  readonly producerStats$?: Observable<ProducerStats>;
  /** Ends gracefully, and resolves when everything is released. Never rejects. */
  close(): Promise<void>;
}

const DEFAULT_CONNECT_TIMEOUT_MS = 15_000;

const OPTIONS = {
  brokers: 'array',
  clientId: 'text',
  ssl: 'any',
  sasl: 'object',
  connectTimeoutMs: 'positive',
  properties: 'object',
  topicProperties: 'object',
  logger: 'object',
} as const;

/**
 * A Kafka cluster: the settings that its clients share, and everything that is open.
 *
 * Making one opens nothing. Sources and sinks connect when they are subscribed to; `close()` ends them gracefully.
 *
 * @throws {OptionError} for a wrong, missing or unknown option.
 *
 * @example
 * ```ts
 * await using kafka = new Kafka({ brokers: ['localhost:9092'] });
 * kafka.events$.subscribe((event) => console.log(event.type));
 * ```
 */
export class Kafka {
  readonly #clients = new Set<Client>();
  readonly #events$ = new Subject<KafkaEvent>();
  readonly #sources = new StatsHub<SourceStats>();
  readonly #producers = new StatsHub<ProducerStats>();
  readonly #adminCalls: Calls;
  readonly #properties: Properties;
  #closing: Promise<void> | undefined;

  /** Topics, offsets and groups. Connects at the first call. */
  readonly admin: Admin;
  /** @internal */
  readonly brokers: readonly string[];
  /** @internal */
  readonly connectTimeoutMs: number;
  /** @internal */
  readonly topicProperties: Properties;

  constructor(options: KafkaOptions) {
    checkOptions('new Kafka', options, OPTIONS, ['brokers']);
    this.brokers = checkBrokers(options.brokers);
    this.connectTimeoutMs = timerMs(options.connectTimeoutMs ?? DEFAULT_CONNECT_TIMEOUT_MS);
    this.#properties = {
      'client.id': options.clientId ?? 'kafka-rx',
      ...options.properties,
      'metadata.broker.list': this.brokers.join(','),
      ...security(options),
    };
    this.topicProperties = { ...options.topicProperties };
    this.#adminCalls = new Calls(this);
    this.admin = { ...topicAdmin(this.#adminCalls), ...groupAdmin(this.#adminCalls) };
    if (options.logger !== undefined)
      logTo(options.logger, this.#events$, { clientId: this.#properties['client.id'], brokers: this.brokers });
  }

  /** librdkafka's settings for every client. They hold secrets, so whoever prints this object must not find them in it. @internal */
  get properties(): Properties {
    return this.#properties;
  }

  /** What the linked librdkafka was built with: `'ssl'`, `'zstd'`, `'sasl_scram'` and so on. */
  static get features(): readonly string[] {
    return rdkafka().features;
  }

  /** The version of the linked librdkafka. */
  static get librdkafkaVersion(): string {
    return rdkafka().librdkafkaVersion;
  }

  /** Everything that happens beside the records. Hot; never errors, and completes at `close()`. */
  get events$(): Observable<KafkaEvent> {
    return this.#events$.asObservable();
  }

  /**
   * The statistics of every source that is open, and of later ones. Hot; never errors, and completes at `close()`.
   *
   * Each is sampled every `statsEveryMs` of its own, while somebody listens.
   *
   * @example
   * ```ts
   * kafka.stats$.subscribe(({ name, totals }) => console.log(name, totals.committedLag, totals.oldestOpenAgeMs));
   * ```
   */
  get stats$(): Observable<SourceStats> {
    return this.#sources.stats$;
  }

  /**
   * The statistics of every client that writes, and of later ones: of `toTopic`, `toTransaction` and `publisher`. Hot; never errors, and completes
   * at `close()`.
   *
   * @example
   * ```ts
   * kafka.producerStats$.subscribe(({ name, sendQueueLength }) => console.log(name, sendQueueLength));
   * ```
   */
  get producerStats$(): Observable<ProducerStats> {
    return this.#producers.stats$;
  }

  /** @internal */
  emit(event: KafkaEvent): void {
    this.#events$.next(event);
  }

  /** Keeps the client until the returned function is called. @internal */
  register(client: Client): () => void {
    if (this.#closing !== undefined) throw new ClosedError('this Kafka was closed: make a new one to open more streams.');
    this.#clients.add(client);
    const unlist = [this.#sources.add(client.stats$), this.#producers.add(client.producerStats$)];
    return () => {
      this.#clients.delete(client);
      for (const forget of unlist) forget();
    };
  }

  /**
   * Completes every source, waits until what is in flight is finished and committed, and closes every client.
   *
   * Waits for no record longer than its source's `drainTimeoutMs`. Calling it again gives the same promise; it never rejects.
   */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      for (const kind of ['source', 'sink'] as const) {
        await Promise.all([...this.#clients].filter((client) => client.kind === kind).map((client) => client.close()));
      }
      await this.#adminCalls.close();
      this.#sources.close();
      this.#producers.close();
      this.#events$.complete();
    })();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function checkBrokers(brokers: readonly string[]): readonly string[] {
  if (brokers.length === 0) throw new OptionError("new Kafka: `brokers` is empty: name at least one, as in ['localhost:9092'].");
  for (const broker of brokers) {
    if (typeof broker !== 'string' || !/^(\[[0-9a-f:.]+\]|[^\s,:/@]+):\d{1,5}$/i.test(broker)) {
      throw new OptionError(`new Kafka: a broker is 'host:port', and ${describeBroker(broker)} is not.`);
    }
  }
  return [...brokers];
}

/** A URL may hold a password, so only its kind is shown. */
function describeBroker(broker: unknown): string {
  if (typeof broker !== 'string') return `a ${typeof broker}`;
  return broker.includes('@') || broker.includes('/') ? 'a URL' : JSON.stringify(broker);
}

function security({ ssl, sasl }: KafkaOptions): Properties {
  const settings: Record<string, string | boolean> = {};
  const tls = ssl !== undefined && ssl !== false;
  if (tls || sasl !== undefined) settings['security.protocol'] = sasl === undefined ? 'ssl' : tls ? 'sasl_ssl' : 'sasl_plaintext';
  if (typeof ssl === 'object') {
    checkOptions('new Kafka, ssl', ssl, { ca: 'any', certificate: 'any', key: 'any', keyPassword: 'string' });
    if (ssl.ca !== undefined) settings['ssl.ca.pem'] = String(ssl.ca);
    if (ssl.certificate !== undefined) settings['ssl.certificate.pem'] = String(ssl.certificate);
    if (ssl.key !== undefined) settings['ssl.key.pem'] = String(ssl.key);
    if (ssl.keyPassword !== undefined) settings['ssl.key.password'] = ssl.keyPassword;
  }
  if (sasl !== undefined) {
    const mechanism = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] as const;
    checkOptions('new Kafka, sasl', sasl, { mechanism, username: 'string', password: 'string' }, ['mechanism', 'username', 'password']);
    settings['sasl.mechanisms'] = sasl.mechanism;
    settings['sasl.username'] = sasl.username;
    settings['sasl.password'] = sasl.password;
  }
  return settings;
}
