// What an upstream's settings ask of the data path, so that nothing is measured or counted that nobody reads.

import { readsLatency, readsLoad } from '../balance/create-balancer.ts';
import { defaultOutliers } from '../table/defaults.ts';
import type { Upstream } from '../table/types.ts';
import type { OutlierSettings, UpstreamHealth } from '../table/upstream-settings.ts';

/** True when requests under way must be counted over all workers of the process. */
export function needsSharedLoad({ balancer, limits }: Pick<Upstream, 'balancer' | 'limits'>): boolean {
  return limits !== null || readsLoad(balancer);
}

/** True when response times must be measured. */
export function needsLatency({ balancer, health }: Pick<Upstream, 'balancer' | 'health'>): boolean {
  return readsLatency(balancer) || (outlierSettings(health)?.latencyFactor ?? null) !== null;
}

/** The rules of passive health; null when it is off. */
export function outlierSettings({ passive }: UpstreamHealth): OutlierSettings | null {
  if (passive === 'off') return null;
  return passive === 'default' ? defaultOutliers : passive;
}
