// The memory of compile() before its first run. Later values come out of `CompileResult.memory`.

import type { CompileMemory } from './types.ts';

/** Nothing accepted yet: an Ingress rejected now has no earlier version, a bad TLS Secret no earlier pair. */
export const emptyMemory: CompileMemory = { acceptedIngresses: new Map(), goodPairs: new Map() };
