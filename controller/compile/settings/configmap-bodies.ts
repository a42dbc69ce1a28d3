// ConfigMap keys of Sluice's own about request bodies that are read before they are sent on (`proxy-request-buffering`).

import { configMapFamily } from './define.ts';
import type { ConfigMapRecord } from './record.ts';
import { size } from './types.ts';

const own = configMapFamily({ group: 'Request bodies', support: 'full' });

/** Largest body that is read as a whole. */
export const requestBufferSize: ConfigMapRecord<number> = own({
  key: 'sluice-request-buffer-size',
  type: size,
  default: 1024 * 1024,
  doc: 'Part of a request body that is read before an endpoint is picked, with `proxy-request-buffering`; a longer body is sent on from there. At least `client-body-buffer-size`.',
});

/** Memory of all bodies that are held. */
export const requestBufferMemory: ConfigMapRecord<number> = own({
  key: 'sluice-request-buffer-memory',
  type: size,
  default: 32 * 1024 * 1024,
  doc: 'Request bodies that one worker holds; while there are more, each request has only `client-body-buffer-size`.',
});

/** All of this file, in the order of the documentation. */
export const ownBodyKeys: readonly ConfigMapRecord<unknown>[] = [requestBufferSize, requestBufferMemory];
