import { ask, sized } from './ask.js';

const CREATE_ACLS = 30;
const VERSION = 1;
const [TOPIC, LITERAL] = [2, 3] as const;
const [ALL, READ, WRITE] = [2, 3, 4] as const;
const [DENY, ALLOW] = [2, 3] as const;
const RESULT_BYTES = 4;

/** What a broker is set to that asks for rights: what nobody has ruled on is allowed. */
export const authorizing: Readonly<Record<string, string>> = {
  'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
  'allow.everyone.if.no.acl.found': 'true',
};

/** From now on everybody may read the topic, and nobody write to it. The broker has to be {@link authorizing}. */
export function denyWrites(address: string, topic: string): Promise<void> {
  return createAcls(address, topic, [
    [READ, ALLOW],
    [WRITE, DENY],
  ]);
}

/** From now on nobody learns more of the topic than that it may not be looked at. */
export function denyEverything(address: string, topic: string): Promise<void> {
  return createAcls(address, topic, [[ALL, DENY]]);
}

async function createAcls(
  address: string,
  topic: string,
  rules: readonly (readonly [operation: number, permission: number])[],
): Promise<void> {
  const count = Buffer.alloc(4);
  count.writeInt32BE(rules.length);
  const what = [Buffer.from([TOPIC]), sized(topic), Buffer.from([LITERAL]), sized('User:*'), sized('*')];
  const answer = await ask(address, CREATE_ACLS, VERSION, Buffer.concat([count, ...rules.flatMap((rule) => [...what, Buffer.from(rule)])]));
  // How long to wait, how many results; each an error and a text that is null where there is none.
  const codes = rules.map((_, i) => answer.readInt16BE(8 + RESULT_BYTES * i));
  if (codes.some((code) => code !== 0)) throw new Error(`${topic}: the broker did not take the rules (codes ${codes.join(', ')})`);
}
