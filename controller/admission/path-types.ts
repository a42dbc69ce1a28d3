// Check 7 of the webhook (`strict-validate-path-type`): Exact and Prefix paths that look like something else.

import type { Draft } from './draft.ts';

const plainPath = /^\/[A-Za-z0-9._/-]*$/;

/** One sentence per path, in ingress-nginx's words (internal/ingress/inspector: ValidatePathType). An empty path passes. */
export function pathTypeProblems({ rules }: Pick<Draft, 'rules'>): string[] {
  return rules
    .flatMap(({ paths }) => paths)
    .filter(({ path, pathType }) => path !== '' && pathType !== 'ImplementationSpecific' && !plainPath.test(path))
    .map(({ path, pathType }) => `path ${path} cannot be used with pathType ${pathType ?? '<none>'}`);
}
