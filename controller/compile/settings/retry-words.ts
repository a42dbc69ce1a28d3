// The words of `proxy-next-upstream`, shared by the annotation and the ConfigMap key: which failures let an attempt be
// repeated at another endpoint.

import type { RetryCondition } from '#proxy/table/types.ts';
import { wordList } from './types.ts';

const NEXT_UPSTREAM_WORDS = [
  'error',
  'timeout',
  'invalid_header',
  'http_500',
  'http_502',
  'http_503',
  'http_504',
  'http_403',
  'http_404',
  'http_429',
  'non_idempotent',
  'off',
] as const;

export type NextUpstreamWord = (typeof NEXT_UPSTREAM_WORDS)[number];

/** Words separated by spaces. The value is in a fixed order without duplicates. */
export const nextUpstreamWords = wordList(NEXT_UPSTREAM_WORDS);

/** `off` has no condition of its own: it switches all others off. */
const CONDITIONS: Readonly<Record<Exclude<NextUpstreamWord, 'off'>, RetryCondition>> = {
  error: 'error',
  timeout: 'timeout',
  invalid_header: 'invalidHeader',
  http_500: 'http500',
  http_502: 'http502',
  http_503: 'http503',
  http_504: 'http504',
  http_403: 'http403',
  http_404: 'http404',
  http_429: 'http429',
  non_idempotent: 'nonIdempotent',
};

/** Conditions of the routing table for these words, in the table's order. `off` anywhere means none, as in nginx. */
export function retryConditions(words: readonly NextUpstreamWord[]): readonly RetryCondition[] {
  if (words.includes('off')) return [];
  return words.flatMap((word) => (word === 'off' ? [] : CONDITIONS[word]));
}
