import { ask } from './ask.js';

const LIST_GROUPS = 16;
const VERSION = 0;

/** The consumer groups that the brokers know, with or without members. */
export async function groups(brokers: readonly string[]): Promise<readonly string[]> {
  const answers = await Promise.all(brokers.map((address) => ask(address, LIST_GROUPS, VERSION, Buffer.alloc(0))));
  return answers.flatMap(names);
}

/** Error, number of groups; each is its name and the type of its protocol. */
function names(answer: Buffer): readonly string[] {
  let at = 6;
  const text = (): string => {
    const length = answer.readInt16BE(at);
    at += 2 + length;
    return answer.toString('utf8', at - length, at);
  };
  return Array.from({ length: answer.readInt32BE(2) }, () => {
    const name = text();
    text();
    return name;
  });
}
