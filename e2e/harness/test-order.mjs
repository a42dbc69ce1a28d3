// Jest's test sequencer: suites that take long begin first, so that none of them is left to one core at the end. Jest does
// that by itself where it has run before; in a fresh checkout, as in CI, it goes by the size of the file, and the longest of
// ours are small.

import TestSequencer from '@jest/test-sequencer';

/**
 * Those that take 20 s and more on two cores. The first keeps a core busy for more than a minute; those that mostly wait come
 * beside it. A name that is missing costs time, nothing else.
 */
const LONG_SUITES = [
  'rolling-update',
  'faults-api-server',
  'netns-partition',
  'http2-abuse',
  'faults-leader',
  'chaos',
  'rbac',
  'limits-of-clients',
  'affinity-stable',
  'canaries',
  'limits-over-replicas',
].map((name) => `/e2e/cases/${name}.test.ts`);

export default class LongSuitesFirst extends TestSequencer {
  /**
   * Long suites, then the others in Jest's order: what failed, what took longest, what is largest.
   * @param {import('@jest/test-result').Test[]} tests
   */
  async sort(tests) {
    const byJest = await super.sort(tests);
    return byJest.toSorted((a, b) => rankOf(a.path) - rankOf(b.path));
  }
}

/** @param {string} path */
function rankOf(path) {
  const at = LONG_SUITES.findIndex((suite) => path.endsWith(suite));
  return at === -1 ? LONG_SUITES.length : at;
}
