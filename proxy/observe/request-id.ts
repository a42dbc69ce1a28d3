// Makes X-Request-ID values: 32 hex digits like nginx's `$request_id`, unpredictable.

import { randomFillSync } from 'node:crypto';

const ID_BYTES = 16;
const ID_CHARS = ID_BYTES * 2;
const BATCH_BYTES = ID_BYTES * 256;

/** Gives a function that makes ids: drawn and rendered 256 at a time, since one call of each per id costs a microsecond. */
export function requestIdSource(): () => string {
  const pool = Buffer.allocUnsafeSlow(BATCH_BYTES);
  let batch = '';
  let used = 0;
  return () => {
    if (used === batch.length) {
      batch = randomFillSync(pool).toString('hex');
      used = 0;
    }
    used += ID_CHARS;
    return batch.slice(used - ID_CHARS, used);
  };
}
