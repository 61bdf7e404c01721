import type { RebalanceListener } from '../../src/sources/membership.js';
import type { MemberSettings } from '../../src/testing/member.js';
import { FakeMember as Member } from '../../src/testing/member.js';
import { TopicLog } from '../../src/testing/topicLog.js';

export type { MemberSettings } from '../../src/testing/member.js';

export const TOPIC = 'orders';

/** What brokers hold of the topic of all tests: each partition with so many records from 0 on. */
export class Brokers extends TopicLog {
  constructor(...records: readonly number[]) {
    super(TOPIC, records);
  }
}

/** Answers by promises, as a client does. */
export class FakeMember extends Member {
  constructor(brokers: TopicLog, listener: RebalanceListener, settings: MemberSettings = {}) {
    super(brokers, listener, { answers: 'by promises', ...settings });
  }
}
