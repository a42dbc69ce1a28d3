// What the Ingresses that name a Service port say about its upstream: annotations of service scope (annotation reference
// sections 1, 6 and 7).
//
// The oldest Ingress that names the port decides for all, also by saying nothing; affinity is asked of all that want it.
// In: those Ingresses. Out: the settings, and a diagnostic for everybody whose word does not count.

import { defaultHealth } from '#proxy/table/defaults.ts';
import type {
  BalancerSettings,
  UpstreamHealth,
  UpstreamLimits,
  ZonePreference,
} from '#proxy/table/upstream-settings.ts';
import type { Diagnostic } from '../objects/diagnostic.ts';
import { type Ingress, keyOf } from '../objects/types.ts';
import { compareIngresses } from './order.ts';
import { diagnose } from './report.ts';
import type { AcceptedIngress } from './select.ts';
import { affinityMode, sessionCookieAnnotations } from './settings/affinity.ts';
import { affinitySettings, type UpstreamAffinity, wantsAffinity } from './settings/affinity-values.ts';
import { fieldOf } from './settings/annotation-gates.ts';
import { OWN_PREFIX, ownAnnotations } from './settings/annotations.ts';
import { isEqualValue } from './settings/define.ts';
import type { AnnotationRecord } from './settings/record.ts';
import { serviceUpstream } from './settings/routing.ts';
import { upstreamRecords } from './settings/service-scope.ts';
import { balancerSettings, healthSettings, limitSettings, zoneSettings } from './settings/upstream-values.ts';
import type { CompileOptions } from './types.ts';

/** The Ingresses that name one backend. */
export interface ServiceVoices {
  readonly oldest: AcceptedIngress;
  /** Those with annotations of service scope, oldest first; the oldest of all is among them if it has some. */
  readonly speakers: readonly AcceptedIngress[];
}

export interface ServiceSettings {
  /** `service-upstream`. */
  readonly isViaClusterIp: boolean;
  readonly balancer: BalancerSettings;
  readonly health: UpstreamHealth;
  readonly limits: UpstreamLimits | null;
  readonly zone: ZonePreference | null;
  /** For routes of the Ingresses that want it; null when none does. */
  readonly affinity: UpstreamAffinity | null;
}

/** Settings of one upstream. */
export function serviceSettings(voices: ServiceVoices, { nodeZone }: CompileOptions): ServiceSettings {
  const { values, speaksOfServices: speaks } = voices.oldest;
  return {
    isViaClusterIp: values.get(serviceUpstream) === true,
    balancer: balancerSettings(values),
    health: speaks ? healthSettings(values) : defaultHealth,
    limits: speaks ? limitSettings(values) : null,
    zone: speaks ? zoneSettings(values, nodeZone) : null,
    affinity: affinityOf(voices),
  };
}

function affinityOf({ speakers }: ServiceVoices): UpstreamAffinity | null {
  const wanting = speakers.filter(hasAffinity);
  const [first, last] = [wanting[0], wanting.at(-1)];
  return first === undefined || last === undefined ? null : affinitySettings(first.values, last.values);
}

/** Annotation reference §5: the affinity of a canary is that of the routes which it joins. */
function hasAffinity({ isCanary, values }: AcceptedIngress): boolean {
  return !isCanary && wantsAffinity(values);
}

/** Tells everybody who said something about `service` that does not hold. `service` names it in the message. */
export function reportOverruled(voices: ServiceVoices, service: string, options: CompileOptions): Diagnostic[] {
  const wanting = voices.speakers.filter(hasAffinity);
  return [
    ...voices.speakers.flatMap((speaker) => overruledBy(voices.oldest, speaker, upstreamRecords, { service, options })),
    ...wanting.flatMap((speaker) => overruledBy(wanting[0], speaker, [affinityMode], { service, options })),
    // Of all Ingresses with affinity, the youngest one's cookie holds (ingress-nginx `getBackendServers`).
    ...wanting.flatMap((speaker) =>
      overruledBy(wanting.at(-1), speaker, sessionCookieAnnotations, { service, options }),
    ),
  ];
}

interface Dispute {
  readonly service: string;
  readonly options: CompileOptions;
}

function overruledBy(
  winner: AcceptedIngress | undefined,
  loser: AcceptedIngress,
  records: readonly AnnotationRecord<unknown>[],
  { service, options }: Dispute,
): Diagnostic[] {
  if (winner === undefined || winner === loser) return [];
  return records
    .filter((record) => loser.values.isSet(record))
    .filter((record) => !isEqualValue(loser.values.get(record), winner.values.get(record)))
    .map((record) => {
      const age = compareIngresses(winner.ingress, loser.ingress) < 0 ? 'older' : 'younger';
      const message = `${record.name} is ignored for ${service}: the ${age} Ingress ${keyOf(winner.ingress.meta)} decides for all Ingresses of this Service and port`;
      return diagnose(
        'warning',
        'AnnotationOverruled',
        loser.ingress,
        fieldIn(loser.ingress, record, options),
        message,
      );
    });
}

/** As written: the canonical name, or the alias that the Ingress has in its place. */
function fieldIn({ meta }: Ingress, record: AnnotationRecord<unknown>, options: CompileOptions): string {
  const prefix = ownAnnotations.includes(record) ? OWN_PREFIX : options.annotationsPrefix;
  const written = [record.name, ...record.aliases].find((name) => Object.hasOwn(meta.annotations, `${prefix}/${name}`));
  return fieldOf(prefix, written ?? record.name);
}
