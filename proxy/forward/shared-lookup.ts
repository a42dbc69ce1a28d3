// Asks the system for the addresses of a name once for all who want them at a time. The system resolver has a few threads
// for the whole process, cannot be cancelled, and may need a minute for a name whose server is silent: questions that
// pile up there would hold up everybody's names, and memory without end.

import type { LookupAddress, LookupOptions } from 'node:dns';
import type { LookupFunction } from 'node:net';

type Answer = Parameters<LookupFunction>[2];

/** As `node:dns` has it. */
export type SystemLookup = (
  name: string,
  options: LookupOptions,
  answer: (error: NodeJS.ErrnoException | null, address: string | LookupAddress[], family?: number) => void,
) => void;

/** Gives `lookup` with equal questions put once; those for more than `maxNames` names at a time fail with EBUSY. */
export function sharedLookup(lookup: SystemLookup, maxNames: number): LookupFunction {
  const waiting = new Map<string, Answer[]>();
  return (name, options, answer) => {
    const key = `${name} ${options.family ?? 0} ${options.all === true} ${options.hints ?? 0}`;
    const others = waiting.get(key);
    if (others !== undefined) return void others.push(answer);
    if (waiting.size >= maxNames) {
      const error = Object.assign(new Error('too many names are being looked up'), { code: 'EBUSY' });
      // As with the system's answers: never within the call.
      return void process.nextTick(answer, error, '', 0);
    }
    const answers = [answer];
    waiting.set(key, answers);
    lookup(name, options, (error, address, family) => {
      waiting.delete(key);
      for (const each of answers) each(error, address, family);
    });
  };
}
