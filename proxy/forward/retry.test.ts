import { expect, test } from '@jest/globals';
import { defaultPolicy } from '../table/defaults.ts';
import type { RoutePolicy } from '../table/types.ts';
import { PROXY_ERRORS, type ProxyErrorCode, statusOfFault } from './errors.ts';
import { mayRetry, mayRetryStatus, type RetryFacts } from './retry.ts';

const facts: RetryFacts = { method: 'GET', attempts: 1, refusals: 0, elapsedMs: 0, canSend: true };

test.each<[string, ProxyErrorCode, Partial<RetryFacts>, Partial<RoutePolicy>, boolean]>([
  ['a refused connection, GET', 'connectFailed', {}, {}, true],
  ['a refused connection, POST: nothing was sent', 'connectFailed', { method: 'POST' }, {}, true],
  ['a connect timeout, POST', 'connectTimeout', { method: 'POST' }, {}, true],
  ['a connect timeout with `timeout` off', 'connectTimeout', {}, { retryOn: ['error'] }, false],
  ['a refused connection with `error` off', 'connectFailed', {}, { retryOn: ['timeout'] }, false],
  ['closed before a byte, GET', 'upstreamClosed', {}, {}, true],
  ['closed before a byte, PUT', 'upstreamClosed', { method: 'PUT' }, {}, true],
  ['closed before a byte, POST', 'upstreamClosed', { method: 'POST' }, {}, false],
  ['closed before a byte, an unknown method', 'upstreamClosed', { method: 'BREW' }, {}, false],
  [
    'closed before a byte, POST, allowed',
    'upstreamClosed',
    { method: 'POST' },
    { retryOn: ['error', 'nonIdempotent'] },
    true,
  ],
  ['body bytes are gone', 'upstreamClosed', { method: 'PUT', canSend: false }, {}, false],
  [
    'body bytes are gone, whatever is allowed',
    'staleConnection',
    { canSend: false },
    { retryOn: ['error', 'nonIdempotent'] },
    false,
  ],
  ['a stale connection, GET', 'staleConnection', {}, {}, true],
  ['a stale connection, POST', 'staleConnection', { method: 'POST' }, {}, false],
  [
    'a stale connection counts no attempt and needs no condition',
    'staleConnection',
    { attempts: 9 },
    { maxAttempts: 1, retryOn: [] },
    true,
  ],
  ['the last attempt', 'upstreamClosed', { attempts: 3 }, {}, false],
  ['the last attempt, a connect timeout', 'connectTimeout', { attempts: 3 }, {}, false],
  ['refused connections use up no attempt', 'connectFailed', { attempts: 99, refusals: 99, elapsedMs: 4999 }, {}, true],
  ['the last attempt, after refused ones', 'upstreamClosed', { attempts: 9, refusals: 6 }, {}, false],
  ['the last attempt but one, after refused ones', 'upstreamClosed', { attempts: 9, refusals: 7 }, {}, true],
  ['refused connections that took long', 'connectFailed', { attempts: 3, refusals: 3, elapsedMs: 5000 }, {}, false],
  ['the only attempt, refused', 'connectFailed', { attempts: 1, refusals: 1 }, { maxAttempts: 1 }, false],
  ['no limit of attempts', 'connectFailed', { attempts: 99 }, { maxAttempts: null }, true],
  ['in time', 'connectFailed', { elapsedMs: 99 }, { retryTimeoutMs: 100 }, true],
  ['too late', 'connectFailed', { elapsedMs: 100 }, { retryTimeoutMs: 100 }, false],
  ['a response timeout, GET', 'upstreamTimeout', {}, {}, true],
  ['a response timeout, POST', 'upstreamTimeout', { method: 'POST' }, {}, false],
  ['a response that is none, without `invalid_header`', 'upstreamFault', {}, {}, false],
  ['a response that is none, GET', 'upstreamFault', {}, { retryOn: ['invalidHeader'] }, true],
  ['a response that is none, POST', 'upstreamFault', { method: 'POST' }, { retryOn: ['invalidHeader'] }, false],
  ['a head cut short, GET', 'upstreamTruncated', {}, {}, true],
  ['a head cut short, POST', 'upstreamTruncated', { method: 'POST' }, {}, false],
  ['a try that took too long, GET', 'perTryTimeout', {}, {}, true],
  ['a try that took too long, with `timeout` off', 'perTryTimeout', {}, { retryOn: ['error'] }, false],
  ['no place', 'overloaded', {}, {}, false],
  ['no place in time', 'pendingTimeout', {}, {}, false],
  ['all endpoints full', 'endpointsFull', {}, {}, false],
  ['the client is gone', 'clientGone', {}, {}, false],
])('%s', (_name, code, changedFacts, changedPolicy, expected) => {
  expect(mayRetry(code, { ...defaultPolicy, ...changedPolicy }, { ...facts, ...changedFacts })).toBe(expected);
});

test('statuses: refused and broken 502, timeouts 504, nobody there 503, the client to blame 4xx', () => {
  const statuses = Object.entries(PROXY_ERRORS).map(([code, rule]) => [code, rule.status, rule.side]);
  expect(statuses).toEqual([
    ['noEndpoint', 503, 'proxy'],
    ['overloaded', 503, 'proxy'],
    ['pendingTimeout', 503, 'proxy'],
    ['endpointsFull', 503, 'proxy'],
    ['connectFailed', 502, 'upstream'],
    ['connectTimeout', 504, 'upstream'],
    ['upstreamClosed', 502, 'upstream'],
    ['staleConnection', 502, 'upstream'],
    ['staleStream', 502, 'upstream'],
    ['streamRefused', 502, 'upstream'],
    ['upstreamTimeout', 504, 'upstream'],
    ['perTryTimeout', 504, 'upstream'],
    ['callTimeout', 504, 'client'],
    ['sendTimeout', 504, 'upstream'],
    ['upstreamFault', 502, 'upstream'],
    ['upstreamTruncated', 502, 'upstream'],
    ['bodyTooLarge', 413, 'client'],
    ['badBody', 400, 'client'],
    ['bodyTimeout', 408, 'client'],
    ['bodyTooSlow', 408, 'client'],
    ['clientStalled', 499, 'client'],
    ['clientGone', 499, 'client'],
  ]);
});

test.each([
  ['requestLineTooLong', 414],
  ['headersTooLarge', 431],
  ['tooManyHeaders', 431],
  ['badVersion', 505],
  ['badExpect', 417],
  ['methodNotAllowed', 405],
  ['severalHosts', 400],
  ['lengthAndTransferEncoding', 400],
] as const)('%s is %d', (fault, status) => {
  expect(statusOfFault(fault)).toBe(status);
});

const statusWords = [
  [403, 'http403'],
  [404, 'http404'],
  [429, 'http429'],
  [500, 'http500'],
  [502, 'http502'],
  [503, 'http503'],
  [504, 'http504'],
] as const;

test.each(statusWords)('status %i is followed by another attempt with its own word only', (status, word) => {
  const allOthers = statusWords.map(([, other]) => other).filter((other) => other !== word);
  const ask = (retryOn: RoutePolicy['retryOn'], changed: Partial<RetryFacts> = {}) =>
    mayRetryStatus(status, { ...defaultPolicy, retryOn }, { ...facts, ...changed });
  expect(ask([word])).toBe(true);
  expect(ask(['error', 'timeout', 'invalidHeader', 'nonIdempotent', ...allOthers])).toBe(false);
  expect(ask([word], { method: 'POST' })).toBe(false);
  expect(ask([word, 'nonIdempotent'], { method: 'POST' })).toBe(true);
  expect(ask([word], { attempts: 3 })).toBe(false);
  expect(ask([word], { canSend: false })).toBe(false);
});

test.each([200, 301, 400, 401, 405, 501, 505])('status %i always stands', (status) => {
  const retryOn = ['error', 'timeout', 'invalidHeader', ...statusWords.map(([, word]) => word)] as const;
  expect(mayRetryStatus(status, { ...defaultPolicy, retryOn }, facts)).toBe(false);
});
