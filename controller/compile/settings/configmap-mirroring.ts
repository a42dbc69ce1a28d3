// ConfigMap keys of Sluice's own about copies of requests (`mirror-target`): what they may cost at most.

import { configMapFamily } from './define.ts';
import type { ConfigMapRecord } from './record.ts';
import { integerFrom, secondsFromOne, size } from './types.ts';

const own = configMapFamily({ group: 'Copies of requests', support: 'full' });

/** Copies under way. */
export const mirrorMaxRequests: ConfigMapRecord<number> = own({
  key: 'sluice-mirror-max-requests',
  type: integerFrom(0),
  default: 100,
  doc: 'Copies under way in one worker; further ones are not made. `0` switches copies off.',
});

/** Copies under way to one target. */
export const mirrorMaxRequestsPerTarget: ConfigMapRecord<number> = own({
  key: 'sluice-mirror-max-requests-per-target',
  type: integerFrom(1),
  default: 50,
  doc: 'Copies under way from one worker to one target (scheme, host and port), and so connections to it: one that does not answer takes no more of `sluice-mirror-max-requests`.',
});

/** Largest body that is copied. */
export const mirrorMaxBodySize: ConfigMapRecord<number> = own({
  key: 'sluice-mirror-max-body-size',
  type: size,
  default: 1024 * 1024,
  doc: 'Largest request body that is copied; a request with a larger one is not copied.',
});

/** Memory of all copied bodies. */
export const mirrorMaxMemory: ConfigMapRecord<number> = own({
  key: 'sluice-mirror-max-memory',
  type: size,
  default: 16 * 1024 * 1024,
  doc: 'Request bodies that one worker holds for copies; what comes on top is not copied.',
});

/** Seconds for a copy. */
export const mirrorTimeout: ConfigMapRecord<number> = own({
  key: 'sluice-mirror-timeout',
  type: secondsFromOne,
  default: 10,
  doc: 'Time in which the target of a copy must have answered; the copy is cut then.',
});

/** All of this file, in the order of the documentation. */
export const ownMirrorKeys: readonly ConfigMapRecord<unknown>[] = [
  mirrorMaxRequests,
  mirrorMaxRequestsPerTarget,
  mirrorMaxBodySize,
  mirrorMaxMemory,
  mirrorTimeout,
];
