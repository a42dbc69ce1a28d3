// Which requests a canary takes, from the annotations of its Ingress (annotation reference section 5).

import type { CanaryHeader, CanaryMatch } from '#proxy/table/route-settings.ts';
import {
  canaryByCookie,
  canaryByHeader,
  canaryByHeaderPattern,
  canaryByHeaderValue,
  canaryWeight,
  canaryWeightTotal,
} from './canary.ts';
import type { AnnotationValues } from './record.ts';
import { requiredValue } from './values.ts';

/** ingress-nginx's balancer takes a smaller total for this (rootfs/etc/nginx/lua/balancer.lua). */
const MIN_WEIGHT_TOTAL = 100;

/** The rules of one canary. */
export function canaryMatch(values: AnnotationValues): CanaryMatch {
  return {
    header: headerRule(values),
    cookie: values.get(canaryByCookie),
    weight: Math.max(0, requiredValue(canaryWeight, values)),
    weightTotal: Math.max(MIN_WEIGHT_TOTAL, requiredValue(canaryWeightTotal, values)),
  };
}

/** A value beats a pattern; both need the name. */
function headerRule(values: AnnotationValues): CanaryHeader | null {
  const name = values.get(canaryByHeader);
  if (name === null) return null;
  const header = name.toLowerCase().replaceAll('_', '-');
  const value = values.get(canaryByHeaderValue);
  if (value !== null) return { name: header, rule: { kind: 'value', value } };
  const pattern = values.get(canaryByHeaderPattern);
  return { name: header, rule: pattern === null ? { kind: 'words' } : { kind: 'pattern', pattern } };
}
