import { describe, expect, it } from 'vitest';
import { adminError } from '../../src/admin/adminErrors.js';
import { TimeLimit } from '../../src/admin/timeLimit.js';

const limit = new TimeLimit('reset the offsets of group billing', 5_000);
const subject = { what: 'reset the offsets of group billing', topics: ['orders'], group: 'billing' };

describe('the error of a call', () => {
  it.each([
    { code: -185, name: 'TimedOutError', retriable: true, says: /within 5000 ms; it may still happen/ },
    { code: 7, name: 'TimedOutError', retriable: true, says: /`timeoutMs`/ },
    { code: 3, name: 'UnknownTopicError', retriable: false, says: /orders does not exist/ },
    { code: 36, name: 'TopicExistsError', retriable: false, says: /there is one of this name already/ },
    { code: 29, name: 'AuthorizationError', retriable: false, says: /could not reset the offsets of group billing: the reason/ },
    { code: 30, name: 'AuthorizationError', retriable: false, says: /log in as another one/ },
    { code: 31, name: 'AuthorizationError', retriable: false, says: /Give the user this right/ },
    { code: 25, name: 'GroupActiveError', retriable: true, says: /group billing has members/ },
    { code: 40, name: 'BrokerError', retriable: false, says: /the reason \(code 40\)/ },
  ])('of code $code is a $name', ({ code, name, retriable, says }) => {
    const error = adminError(subject, { code, message: 'the reason' }, limit);
    expect(error).toMatchObject({ name, retriable });
    expect(error.message).toMatch(says);
  });
});
