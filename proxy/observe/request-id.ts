// Makes X-Request-ID values: 32 hex digits like nginx's `$request_id`, unpredictable.

import { randomFillSync } from 'node:crypto';

const ID_BYTES = 16;
const BATCH_BYTES = ID_BYTES * 256;

/** Gives a function that makes ids. Random bytes are drawn 256 ids at a time: one call per id would cost a microsecond. */
export function requestIdSource(): () => string {
  const pool = Buffer.allocUnsafeSlow(BATCH_BYTES);
  let used = BATCH_BYTES;
  return () => {
    if (used === BATCH_BYTES) {
      randomFillSync(pool);
      used = 0;
    }
    used += ID_BYTES;
    return pool.toString('hex', used - ID_BYTES, used);
  };
}
