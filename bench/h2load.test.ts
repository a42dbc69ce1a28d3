// What h2load prints, as a result.

import { expect, test } from '@jest/globals';
import { parseH2load } from './h2load.ts';

const OUTPUT = `TLS Protocol: TLSv1.3
Cipher: TLS_AES_128_GCM_SHA256
finished in 2.00s, 2.00 req/s, 13.13MB/s
requests: 4 total, 4 started, 4 done, 4 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 4 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 5.13KB (5253) total, 93B (93) headers (space savings 86.00%), 4.00KB (4096) data
`;
const LOAD = { connections: 1, streams: 1, bodyBytes: 1024 };
const LOG = '100\t200\t30\n200\t200\t10\n300\t200\t40\n400\t200\t20\n';

test('counts, times and CPU', () => {
  expect(parseH2load(OUTPUT, LOG, 8000, LOAD)).toMatchObject({
    requests: 4,
    seconds: 2,
    cpuNs: 8000,
    p50Us: 30,
    p99Us: 40,
    cipher: 'TLS_AES_128_GCM_SHA256',
    errors: 0,
    firstError: '',
  });
});

test('a status other than 2xx makes the run worthless', () => {
  const output = OUTPUT.replace('4 2xx, 0 3xx, 0 4xx, 0 5xx', '3 2xx, 0 3xx, 0 4xx, 1 5xx');
  expect(parseH2load(output, LOG, 8000, LOAD)).toMatchObject({
    errors: 1,
    firstError: 'h2load: 0 failed, 3 of 4 answered 2xx, 4096 bytes',
  });
});

test.each([
  { name: 'a response that is under way at the end', bytes: 4096 + 1024, errors: 0 },
  { name: 'more than could be under way', bytes: 4096 + 1025, errors: 1 },
  { name: 'fewer bytes than responses', bytes: 4096 - 1025, errors: 1 },
])('payload: $name', ({ bytes, errors }) => {
  expect(parseH2load(OUTPUT.replace('(4096)', `(${bytes})`), LOG, 8000, LOAD).errors).toBe(errors);
});

test('output that cannot be read is no good run', () => {
  expect(parseH2load('', '', 0, LOAD).requests).toBeNaN();
});
