// Which canary takes a request: header, cookie, weight, in the order of routing-semantics §9. Pure: chance is an argument.
//
//   RouteTarget.canaries --compileCanaries (once per table)--> CompiledCanary[] --chooseCanary (per request)--> index or -1
//
// Affinity comes before all of this and is not looked at here.

import { LinearPattern } from '../table/linear-pattern.ts';
import type { Canary, UpstreamId } from '../table/types.ts';

/** A canary with its expression compiled; null where it has none or none that can be run. */
export interface CompiledCanary {
  readonly canary: Canary;
  readonly pattern: LinearPattern | null;
}

/** What a request tells. Asked for only where a canary has such a rule. */
export interface CanaryRequest {
  /** Value of a header by its lower-case name; '' when absent, as an empty one counts. */
  headerValue(name: string): string;
  cookieValue(name: string): string;
}

/** Prepares the canaries of one route for the requests of a table. */
export function compileCanaries(canaries: readonly Canary[]): readonly CompiledCanary[] {
  return canaries.map((canary) => {
    const rule = canary.match.header?.rule;
    return { canary, pattern: rule?.kind === 'pattern' ? LinearPattern.compile(rule.pattern) : null };
  });
}

/** Sums of shares such as 0.1 + 0.2 come out a little too large. */
const ROUNDING = 1e-12;

type Decision = 'take' | 'refuse' | 'weigh';

/**
 * Index of the canary that takes the request, -1 for the primary. Canaries are asked in turn; one that refuses (`never`)
 * leaves the request to the others. Weights share one draw, so that canaries of 10 and 20 percent get 10 and 20 percent
 * of what headers and cookies leave. `hasEndpoints` says whether an upstream can be picked from; `random` is in [0, 1).
 */
export function chooseCanary(
  canaries: readonly CompiledCanary[],
  request: CanaryRequest,
  hasEndpoints: (upstream: UpstreamId) => boolean,
  random: () => number,
): number {
  let drawn = -1;
  let share = 0;
  for (let i = 0; i < canaries.length; i++) {
    const compiled = canaries[i] as CompiledCanary;
    const { match, upstream } = compiled.canary;
    // Without endpoints it takes nothing, and its share stays with the primary.
    if (!hasEndpoints(upstream)) continue;
    const decision = decide(compiled, request);
    if (decision === 'take') return i;
    if (decision === 'refuse' || match.weight === 0) continue;
    if (drawn === -1) drawn = random();
    share += match.weight / match.weightTotal;
    if (drawn + ROUNDING < share) return i;
  }
  return -1;
}

function decide({ canary: { match }, pattern }: CompiledCanary, request: CanaryRequest): Decision {
  if (match.header !== null) {
    const value = request.headerValue(match.header.name);
    const decision = value === '' ? 'weigh' : decideByHeader(match.header.rule, pattern, value);
    if (decision !== 'weigh') return decision;
  }
  return match.cookie === null ? 'weigh' : decideByWord(request.cookieValue(match.cookie));
}

function decideByHeader(
  rule: NonNullable<Canary['match']['header']>['rule'],
  pattern: LinearPattern | null,
  value: string,
): Decision {
  switch (rule.kind) {
    case 'words':
      return decideByWord(value);
    case 'value':
      return value === rule.value ? 'take' : 'weigh';
    case 'pattern':
      return decideByPattern(pattern, value);
    default:
      return rule satisfies never;
  }
}

/** ingress-nginx sends the request to the primary at once when the expression cannot be run, or not to its end. */
function decideByPattern(pattern: LinearPattern | null, value: string): Decision {
  const isFound = pattern === null ? null : pattern.test(value);
  if (isFound === null) return 'refuse';
  return isFound ? 'take' : 'weigh';
}

function decideByWord(word: string): Decision {
  if (word === 'always') return 'take';
  return word === 'never' ? 'refuse' : 'weigh';
}
